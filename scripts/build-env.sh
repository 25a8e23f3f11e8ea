# Environment of a build, to be sourced: caches C++ where ccache is there, builds llama.cpp for this very processor.
if command -v ccache >/dev/null; then
    export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi
