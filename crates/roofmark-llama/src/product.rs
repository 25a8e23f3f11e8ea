//! Matrix products of quantised weights by ggml's own kernels, without a model: what a step of decode or
//! prefill spends its time on.

use crate::backend::{self, Threads, text};
use llama_cpp_sys_2 as sys;
use roofmark_facts::synth::random_blocks;
use roofmark_facts::tensor_type::TensorType;
use roofmark_facts::units::Seconds;
use roofmark_measure::engine::serve::Progress;
use roofmark_measure::engine::{ProductCell, Products};
use std::ffi::{CString, c_void};
use std::ptr::NonNull;
use std::time::Instant;

/// Blocks that are made at random; the weights repeat them.
const TILE: usize = 1 << 14;
/// Passes that are timed at least.
const FEWEST: usize = 3;

/// Weights, activations and the graph of a cell, ready to run.
pub struct Product {
    cell: ProductCell,
    // Freed in the order of the fields: the graph before the buffers that it points into.
    backend: Backend,
    _threads: Option<Threads>,
    _inputs: (Buffer, Context),
    _weights: (Buffer, Context),
    graph: *mut sys::ggml_cgraph,
    result: *mut sys::ggml_tensor,
    repacked: bool,
    device: String,
}

impl Product {
    /// Makes weights and graph of `cell`.
    ///
    /// # Errors
    /// When the device, the type or the memory is not there.
    pub fn new(cell: &ProductCell) -> Result<Self, String> {
        check(cell)?;
        let device = device(cell.device.as_deref())?;
        let weights = Context::new(cell.matrices as usize)?;
        let inputs = Context::new(cell.matrices as usize + 1)?;
        let kind = cell.weights.id() as sys::ggml_type;
        let matrices: Vec<_> =
            (0..cell.matrices).map(|_| weights.tensor(kind, cell.columns, cell.rows)).collect();
        let vectors = inputs.tensor(sys::GGML_TYPE_F32, cell.columns, cell.vectors);
        let (graph, result) = graph(&inputs, &matrices, vectors);
        // SAFETY: the device lives as long as the program.
        let usual = unsafe { sys::ggml_backend_dev_buffer_type(device) };
        let rearranging = cell.repack.then(|| rearranging(device, result)).flatten();
        let weights_buffer = Buffer::new(&weights, rearranging.unwrap_or(usual))?;
        let inputs_buffer = Buffer::new(&inputs, usual)?;
        for (index, matrix) in matrices.iter().enumerate() {
            fill(*matrix, &weights_of(cell, index as u64));
        }
        fill(vectors, &activations(cell));
        let (backend, threads) = start(device, cell)?;
        Ok(Self {
            cell: cell.clone(),
            backend,
            _threads: threads,
            _inputs: (inputs_buffer, inputs),
            _weights: (weights_buffer, weights),
            graph,
            result,
            repacked: rearranging.is_some(),
            // SAFETY: the device lives as long as the program, and so does its name.
            device: unsafe { text(sys::ggml_backend_dev_name(device)) },
        })
    }

    /// The weights and threads serve `cell` too.
    pub fn serves(&self, cell: &ProductCell) -> bool {
        ProductCell { time: self.cell.time, ..cell.clone() } == self.cell
    }

    /// May be kept while `cell` runs: the other shape of the same sentinel.
    pub fn stays_beside(&self, cell: &ProductCell) -> bool {
        self.cell.device == cell.device
            && self.cell.weights == cell.weights
            && self.cell.vectors != cell.vectors
    }

    /// Runs passes for `time`.
    ///
    /// # Errors
    /// When a pass fails.
    pub fn run(&mut self, time: Seconds, progress: &Progress) -> Result<Products, String> {
        let mut passes = Vec::new();
        self.pass()?;
        let begun = Instant::now();
        while passes.len() < FEWEST || begun.elapsed().as_secs_f64() < time.get() {
            let start = Instant::now();
            self.pass()?;
            passes.push(Seconds(start.elapsed().as_secs_f64()));
            progress.set((begun.elapsed().as_secs_f64() * 1e3) as u64, (time.get() * 1e3) as u64);
        }
        Ok(Products {
            passes,
            device: self.device.clone(),
            repacked: self.repacked,
            finite: self.first_result().is_finite(),
        })
    }

    fn pass(&mut self) -> Result<(), String> {
        // SAFETY: backend, graph and all tensors of the graph are alive.
        match unsafe { sys::ggml_backend_graph_compute(self.backend.0.as_ptr(), self.graph) } {
            sys::GGML_STATUS_SUCCESS => Ok(()),
            status => Err(format!("the engine gave status {status}")),
        }
    }

    fn first_result(&self) -> f32 {
        let mut value = [0f32; 1];
        // SAFETY: the result is alive and holds at least one number; the buffer has the size that is passed.
        unsafe { sys::ggml_backend_tensor_get(self.result, value.as_mut_ptr().cast(), 0, size_of::<f32>()) };
        value[0]
    }
}

fn check(cell: &ProductCell) -> Result<(), String> {
    let sizes = [
        ("rows", cell.rows),
        ("columns", cell.columns),
        ("matrices", cell.matrices),
        ("vectors", cell.vectors),
        ("threads", cell.threads),
    ];
    if let Some((name, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
        return Err(format!("{name} is 0"));
    }
    let block = cell.weights.block_elements();
    if u64::from(cell.columns) % block != 0 {
        return Err(format!("columns is {}, expected a multiple of {block}", cell.columns));
    }
    // Types that weights have in no file and that products do not take.
    match cell.weights {
        TensorType::I8 | TensorType::I16 | TensorType::I32 | TensorType::I64 | TensorType::F64 => {
            Err(format!("weights of type {} are not multiplied", cell.weights.name()))
        }
        _ => Ok(()),
    }
}

fn device(name: Option<&str>) -> Result<sys::ggml_backend_dev_t, String> {
    let Some(name) = name else { return Ok(backend::cpu()) };
    let missing = || format!("there is no device `{name}`");
    let text = CString::new(name).map_err(|_| missing())?;
    // SAFETY: the name ends in NUL; gives null where there is no such device.
    let device = unsafe { sys::ggml_backend_dev_by_name(text.as_ptr()) };
    if device.is_null() { Err(missing()) } else { Ok(device) }
}

/// One product a matrix, all with the same vectors.
fn graph(
    inputs: &Context,
    matrices: &[*mut sys::ggml_tensor],
    vectors: *mut sys::ggml_tensor,
) -> (*mut sys::ggml_cgraph, *mut sys::ggml_tensor) {
    // SAFETY: the context has room for the graph and for one result a matrix (`Context::new`); all tensors are alive.
    unsafe {
        let graph = sys::ggml_new_graph_custom(inputs.0.as_ptr(), nodes(matrices.len()), false);
        let mut result = vectors;
        for matrix in matrices {
            result = sys::ggml_mul_mat(inputs.0.as_ptr(), *matrix, vectors);
            sys::ggml_build_forward_expand(graph, result);
        }
        (graph, result)
    }
}

fn nodes(matrices: usize) -> usize {
    2 * matrices + 16
}

type ExtraTypes = unsafe extern "C" fn(sys::ggml_backend_dev_t) -> *mut sys::ggml_backend_buffer_type_t;

/// The first kind of buffer that rearranges the weights of the product `result`, as llama.cpp looks for it.
fn rearranging(
    device: sys::ggml_backend_dev_t,
    result: *mut sys::ggml_tensor,
) -> Option<sys::ggml_backend_buffer_type_t> {
    let function = backend::function(device, c"ggml_backend_dev_get_extra_bufts")?;
    // SAFETY: the backend gives a function of this signature under this name (ggml-backend.h); its list ends
    // with null. The buffer of no size stands for the kind of buffer while the device is asked, as in llama.cpp.
    unsafe {
        let function = std::mem::transmute::<NonNull<c_void>, ExtraTypes>(function);
        let matrix = (*result).src[0];
        let mut kinds = function(device);
        while !kinds.is_null() && !(*kinds).is_null() {
            let empty = sys::ggml_backend_buft_alloc_buffer(*kinds, 0);
            (*matrix).buffer = empty;
            let fits = !empty.is_null() && sys::ggml_backend_dev_supports_op(device, result);
            (*matrix).buffer = std::ptr::null_mut();
            sys::ggml_backend_buffer_free(empty);
            if fits {
                return Some(*kinds);
            }
            kinds = kinds.add(1);
        }
    }
    None
}

/// Random weights, other ones for each matrix.
fn weights_of(cell: &ProductCell, index: u64) -> Vec<u8> {
    let blocks = (u64::from(cell.rows) * u64::from(cell.columns) / cell.weights.block_elements()) as usize;
    let tile = random_blocks(cell.weights, TILE.min(blocks), index + 1);
    let length = blocks * cell.weights.block_bytes() as usize;
    tile.iter().copied().cycle().take(length).collect()
}

fn activations(cell: &ProductCell) -> Vec<u8> {
    let count = cell.columns as usize * cell.vectors as usize;
    (0..count).flat_map(|index| ((index % 251) as f32 / 125.0 - 1.0).to_ne_bytes()).collect()
}

fn fill(tensor: *mut sys::ggml_tensor, bytes: &[u8]) {
    // SAFETY: the tensor is alive and has a buffer; it is at least as long as `bytes`, which was made for it.
    unsafe { sys::ggml_backend_tensor_set(tensor, bytes.as_ptr().cast(), 0, bytes.len()) };
}

type SetThreads = unsafe extern "C" fn(sys::ggml_backend_t, std::ffi::c_int);
type SetPool = unsafe extern "C" fn(sys::ggml_backend_t, sys::ggml_threadpool_t);

/// Starts the device; a processor with threads that wait between two passes.
fn start(device: sys::ggml_backend_dev_t, cell: &ProductCell) -> Result<(Backend, Option<Threads>), String> {
    // SAFETY: the device is alive; null asks for its defaults.
    let raw = unsafe { sys::ggml_backend_dev_init(device, std::ptr::null()) };
    let backend = Backend(NonNull::new(raw).ok_or("the device could not be started")?);
    let Some(set) = backend::function(device, c"ggml_backend_set_n_threads") else {
        return Ok((backend, None));
    };
    let threads = Threads::start(cell.threads)?;
    // SAFETY: the backend gives functions of these signatures under these names (ggml-backend.h, ggml-cpu.h);
    // backend and threads are alive, and the threads outlive the backend.
    unsafe {
        let set = std::mem::transmute::<NonNull<c_void>, SetThreads>(set);
        set(backend.0.as_ptr(), i32::try_from(cell.threads).unwrap_or(1));
        if let Some(attach) = backend::function(device, c"ggml_backend_cpu_set_threadpool") {
            let attach = std::mem::transmute::<NonNull<c_void>, SetPool>(attach);
            attach(backend.0.as_ptr(), threads.raw());
        }
    }
    Ok((backend, Some(threads)))
}

/// A started device.
struct Backend(NonNull<sys::ggml_backend>);

impl Drop for Backend {
    fn drop(&mut self) {
        // SAFETY: it came from the engine and is freed once.
        unsafe { sys::ggml_backend_free(self.0.as_ptr()) };
    }
}

/// Descriptions of tensors, without their data.
struct Context(NonNull<sys::ggml_context>);

impl Context {
    /// With room for `tensors` and a graph over them.
    fn new(tensors: usize) -> Result<Self, String> {
        // SAFETY: takes plain numbers; the memory is the engine's own.
        let raw = unsafe {
            let graph = sys::ggml_graph_overhead_custom(nodes(tensors), false);
            let mem_size = sys::ggml_tensor_overhead() * (tensors + 4) + graph;
            sys::ggml_init(sys::ggml_init_params {
                mem_size,
                mem_buffer: std::ptr::null_mut(),
                no_alloc: true,
            })
        };
        NonNull::new(raw).map(Self).ok_or_else(|| "not enough memory for the graph".to_owned())
    }

    fn tensor(&self, kind: sys::ggml_type, columns: u32, rows: u32) -> *mut sys::ggml_tensor {
        // SAFETY: the context is alive and has room for as many tensors as are made (`Context::new`).
        unsafe { sys::ggml_new_tensor_2d(self.0.as_ptr(), kind, i64::from(columns), i64::from(rows)) }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it came from the engine and is freed once.
        unsafe { sys::ggml_free(self.0.as_ptr()) };
    }
}

/// Memory of all tensors of a context.
struct Buffer(NonNull<sys::ggml_backend_buffer>);

impl Buffer {
    fn new(context: &Context, kind: sys::ggml_backend_buffer_type_t) -> Result<Self, String> {
        // SAFETY: context and kind of buffer are alive.
        let raw = unsafe { sys::ggml_backend_alloc_ctx_tensors_from_buft(context.0.as_ptr(), kind) };
        NonNull::new(raw).map(Self).ok_or_else(|| "not enough memory for the matrices".to_owned())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: it came from the engine and is freed once.
        unsafe { sys::ggml_backend_buffer_free(self.0.as_ptr()) };
    }
}
