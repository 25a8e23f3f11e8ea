//! A context: cache and compute buffers of a loaded model.

use crate::backend::Threads;
use crate::batch::Batch;
use crate::log;
use crate::model::Model;
use llama_cpp_sys_2 as sys;
use roofmark_facts::tensor_type::TensorType;
use roofmark_measure::engine::{OpenRequest, Switch};
use std::ptr::NonNull;
use std::rc::Rc;

/// Cache and compute buffers. Holds its model and its threads.
pub struct Context {
    raw: NonNull<sys::llama_context>,
    model: Rc<Model>,
    // Freed after the context (fields are dropped after `drop`).
    _threads: Threads,
}

impl Context {
    /// Makes a context for `model`.
    ///
    /// # Errors
    /// llama.cpp's own words, from its log; or a setting that it does not have.
    pub fn open(model: Rc<Model>, request: &OpenRequest) -> Result<Self, String> {
        let threads = Threads::start(request.threads)?;
        let parameters = parameters(request)?;
        // SAFETY: the model is alive and the context keeps it alive; all pointers of the parameters are defaults.
        let raw = unsafe { sys::llama_init_from_model(model.raw(), parameters) };
        let raw = NonNull::new(raw).ok_or_else(|| log::cause(&log::drain()))?;
        // SAFETY: context and pool are alive, and the pool outlives the context. A null second
        // pool makes prefill use the first one.
        unsafe { sys::llama_attach_threadpool(raw.as_ptr(), threads.raw(), std::ptr::null_mut()) };
        Ok(Self { raw, model, _threads: threads })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Tokens per sequence.
    pub fn tokens_per_sequence(&self) -> u32 {
        // SAFETY: the context is alive.
        unsafe { sys::llama_n_ctx_seq(self.raw.as_ptr()) }
    }

    /// Most tokens in one call.
    pub fn batch_limit(&self) -> u32 {
        // SAFETY: the context is alive.
        unsafe { sys::llama_n_batch(self.raw.as_ptr()) }
    }

    /// Sequences that fit.
    pub fn sequences(&self) -> u32 {
        // SAFETY: the context is alive.
        unsafe { sys::llama_n_seq_max(self.raw.as_ptr()) }
    }

    /// Forgets all tokens; the memory is not overwritten.
    pub fn clear(&mut self) {
        // SAFETY: the context is alive, and so is its memory.
        unsafe { sys::llama_memory_clear(sys::llama_get_memory(self.raw.as_ptr()), false) };
    }

    /// Computes a batch. On a GPU the work may still run on return; see [`Self::wait`].
    pub fn decode(&mut self, batch: &mut Batch) -> Result<(), String> {
        // SAFETY: the arrays of the batch are alive and of the length it says.
        match unsafe { sys::llama_decode(self.raw.as_ptr(), batch.raw()) } {
            0 => Ok(()),
            1 => Err(format!("the cache has no room for {} more tokens", batch.len())),
            2 => Err("the computation was aborted".to_owned()),
            code => Err(format!("the engine gave error {code}: {}", log::cause(&log::drain()))),
        }
    }

    /// Waits until all work is done.
    pub fn wait(&mut self) {
        // SAFETY: the context is alive.
        unsafe { sys::llama_synchronize(self.raw.as_ptr()) };
    }

    /// Logits of the last token that asked for them.
    pub fn logits(&mut self) -> Option<&[f32]> {
        // SAFETY: the pointer is null or points to as many numbers as the vocabulary has entries,
        // which stay until the next decode; the borrow of `self` forbids one.
        unsafe {
            let logits = sys::llama_get_logits_ith(self.raw.as_ptr(), -1);
            let count = self.model.vocabulary() as usize;
            (!logits.is_null()).then(|| std::slice::from_raw_parts(logits, count))
        }
    }

    /// Copies what the cache holds of the first sequence.
    pub fn save(&mut self) -> Vec<u8> {
        // SAFETY: the buffer has the size that is passed.
        unsafe {
            let size = sys::llama_state_seq_get_size(self.raw.as_ptr(), 0);
            let mut state = vec![0u8; size];
            let written = sys::llama_state_seq_get_data(self.raw.as_ptr(), state.as_mut_ptr(), size, 0);
            state.truncate(written);
            state
        }
    }

    /// Puts a saved state into `sequence`; false where it does not fit.
    pub fn restore(&mut self, state: &[u8], sequence: i32) -> bool {
        // SAFETY: the buffer has the size that is passed.
        unsafe { sys::llama_state_seq_set_data(self.raw.as_ptr(), state.as_ptr(), state.len(), sequence) > 0 }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context came from llama.cpp and is freed once, before its threads and model.
        unsafe { sys::llama_free(self.raw.as_ptr()) };
    }
}

fn parameters(request: &OpenRequest) -> Result<sys::llama_context_params, String> {
    let threads = i32::try_from(request.threads).map_err(|_| "too many threads".to_owned())?;
    let tokens = request.context.checked_mul(request.sequences);
    // SAFETY: takes no arguments.
    let mut parameters = unsafe { sys::llama_context_default_params() };
    parameters.n_ctx =
        tokens.ok_or_else(|| format!("{} × {} tokens are too many", request.sequences, request.context))?;
    parameters.n_seq_max = request.sequences;
    parameters.n_batch = request.batch;
    parameters.n_ubatch = request.micro_batch;
    parameters.n_threads = threads;
    parameters.n_threads_batch = threads;
    parameters.flash_attn_type = match request.flash_attention {
        Switch::Auto => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
        Switch::On => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
        Switch::Off => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
    };
    parameters.type_k = cache_type(request.cache_type)?;
    parameters.type_v = parameters.type_k;
    parameters.swa_full = false;
    Ok(parameters)
}

/// ggml's number of a type that the cache may have.
fn cache_type(kind: TensorType) -> Result<sys::ggml_type, String> {
    use TensorType::{BF16, F16, F32, IQ4_NL, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
    match kind {
        F32 | F16 | BF16 | Q8_0 | Q4_0 | Q4_1 | Q5_0 | Q5_1 | IQ4_NL => Ok(kind.id() as sys::ggml_type),
        other => Err(format!("cache type {} is not supported", other.name())),
    }
}
