//! Backends and their devices.

use crate::log;
use llama_cpp_sys_2 as sys;
use roofmark_facts::units::Bytes;
use roofmark_measure::engine::Device;
use std::ffi::{CStr, CString, c_char};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

/// Starts llama.cpp: the log, the backends of this build, and those found beside the program.
///
/// Gives the name of the library that was chosen for this processor; `None` where the kernels are linked in.
///
/// # Errors
/// When no CPU backend could be loaded.
pub fn start() -> Result<Option<String>, String> {
    log::install();
    if cfg!(feature = "dynamic-backends") {
        for folder in backend_folders() {
            load_from(&folder);
        }
    }
    // SAFETY: takes no arguments and may be called at any time; called once here.
    unsafe { sys::llama_backend_init() };
    if cpu().is_null() {
        return Err(format!("no CPU backend was found in {:?}", backend_folders()));
    }
    Ok(log::cpu_library(&log::drain()))
}

/// Where kernel libraries are looked for: beside the program (an archive), or where a variable says.
fn backend_folders() -> Vec<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|path| path.parent().map(Path::to_owned));
    let beside = beside.into_iter().flat_map(|folder| [folder.join("backends"), folder]);
    std::env::var_os("ROOFMARK_BACKENDS").map(PathBuf::from).into_iter().chain(beside).collect()
}

fn load_from(folder: &Path) {
    let Some(path) = folder.to_str().and_then(|path| CString::new(path).ok()) else { return };
    if cpu().is_null() {
        // SAFETY: `path` is a string that ends in NUL and lives during the call.
        unsafe { sys::ggml_backend_load_all_from_path(path.as_ptr()) };
    }
}

/// The processor.
pub fn cpu() -> sys::ggml_backend_dev_t {
    // SAFETY: takes a plain number; gives null where there is no such device.
    unsafe { sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU) }
}

/// llama.cpp's account of the instruction sets and features of its backends.
pub fn system_info() -> String {
    // SAFETY: gives a static string.
    unsafe { text(sys::llama_print_system_info()) }
}

/// All devices.
pub fn devices() -> Vec<Device> {
    // SAFETY: takes no arguments.
    let count = unsafe { sys::ggml_backend_dev_count() };
    (0..count).map(device).collect()
}

fn device(index: usize) -> Device {
    let (mut free, mut total) = (0usize, 0usize);
    // SAFETY: `index` is below the count, so the device is not null and lives as long as the
    // program; the pointers are to locals that live during the call; the names are static strings.
    unsafe {
        let device = sys::ggml_backend_dev_get(index);
        sys::ggml_backend_dev_memory(device, &raw mut free, &raw mut total);
        Device {
            name: text(sys::ggml_backend_dev_name(device)),
            description: text(sys::ggml_backend_dev_description(device)),
            kind: kind(sys::ggml_backend_dev_type(device)).to_owned(),
            backend: text(sys::ggml_backend_reg_name(sys::ggml_backend_dev_backend_reg(device))),
            free: Bytes(free as f64),
            total: Bytes(total as f64),
        }
    }
}

fn kind(kind: sys::ggml_backend_dev_type) -> &'static str {
    match kind {
        sys::GGML_BACKEND_DEVICE_TYPE_CPU => "cpu",
        sys::GGML_BACKEND_DEVICE_TYPE_GPU => "gpu",
        sys::GGML_BACKEND_DEVICE_TYPE_IGPU => "igpu",
        _ => "accelerator",
    }
}

/// Copies a C string; empty for null.
///
/// # Safety
/// `pointer` is null or points to a string that ends in NUL.
pub unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller says that it ends in NUL.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// Threads of the CPU backend that wait for work between two steps, as llama-bench has them.
pub struct Threads {
    pool: NonNull<sys::ggml_threadpool>,
    free: FreeThreads,
}

type NewThreads = unsafe extern "C" fn(*mut sys::ggml_threadpool_params) -> sys::ggml_threadpool_t;
type FreeThreads = unsafe extern "C" fn(sys::ggml_threadpool_t);

impl Threads {
    /// Starts `count` threads (the calling thread is one of them).
    ///
    /// # Errors
    /// When the backend has no threads of its own or could not start them.
    pub fn start(count: u32) -> Result<Self, String> {
        let count = i32::try_from(count).map_err(|_| format!("{count} threads are too many"))?;
        let new = cpu_function(c"ggml_threadpool_new").ok_or("the CPU backend has no threadpool")?;
        let free = cpu_function(c"ggml_threadpool_free").ok_or("the CPU backend has no threadpool")?;
        // SAFETY: the backend gives functions of these signatures under these names (ggml-cpu.h);
        // the parameters are a local that lives during the call.
        let (pool, free) = unsafe {
            let new = std::mem::transmute::<NonNull<std::ffi::c_void>, NewThreads>(new);
            let free = std::mem::transmute::<NonNull<std::ffi::c_void>, FreeThreads>(free);
            let mut parameters = sys::ggml_threadpool_params_default(count);
            (new(&raw mut parameters), free)
        };
        let pool = NonNull::new(pool).ok_or_else(|| format!("{count} threads could not be started"))?;
        Ok(Self { pool, free })
    }

    /// The pool as the C interface takes it; valid while `self` lives.
    pub fn raw(&self) -> sys::ggml_threadpool_t {
        self.pool.as_ptr()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // SAFETY: the pool came from the matching function and is freed once.
        unsafe { (self.free)(self.pool.as_ptr()) };
    }
}

fn cpu_function(name: &CStr) -> Option<NonNull<std::ffi::c_void>> {
    function(cpu(), name)
}

/// A function that the backend of `device` offers by name.
pub fn function(device: sys::ggml_backend_dev_t, name: &CStr) -> Option<NonNull<std::ffi::c_void>> {
    // SAFETY: the device is one of the engine's and not null (`start` made sure of the processor); the name ends in NUL.
    let address = unsafe {
        let registry = sys::ggml_backend_dev_backend_reg(device);
        sys::ggml_backend_reg_get_proc_address(registry, name.as_ptr())
    };
    NonNull::new(address)
}
