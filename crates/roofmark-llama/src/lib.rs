//! llama.cpp as an [`Engine`](roofmark_measure::engine::Engine), in a process of its own.
//!
//! The parent calls [`spawn`]; the program then starts itself again and that child calls
//! [`child_main`]. Nothing of llama.cpp runs in the parent: a model file of a stranger is parsed by
//! C++ code only where it can do no harm.
//!
//! All `unsafe` code is in `backend`, `context`, `log`, `model` and `product`, which wrap the C interface.

mod backend;
mod batch;
mod chat;
mod child;
mod context;
mod llama;
mod log;
mod model;
mod process;
mod product;
mod random;
mod sandbox;

pub use child::{CHILD_COMMAND, Descriptors, child_main, command, spawn, spawn_without_model};
pub use llama::Llama;

/// Version of the package that llama.cpp was built from. It has no git data, so it does not know
/// its commit: this is the name of the source.
pub const VERSION: &str = "llama-cpp-sys-2 0.1.161";
