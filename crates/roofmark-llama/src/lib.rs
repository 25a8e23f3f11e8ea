//! llama.cpp as an `Engine`.
