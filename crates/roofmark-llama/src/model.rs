//! A loaded model.

use crate::backend::text;
use crate::log;
use llama_cpp_sys_2 as sys;
use roofmark_measure::engine::serve::Progress;
use roofmark_measure::engine::{LoadRequest, Switch};
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::NonNull;

/// Weights and vocabulary.
pub struct Model {
    raw: NonNull<sys::llama_model>,
}

impl Model {
    /// Loads the file at `path`.
    ///
    /// # Errors
    /// llama.cpp's own words, from its log.
    pub fn load(path: &Path, request: &LoadRequest, progress: &Progress) -> Result<Self, String> {
        let name = path.to_str().and_then(|path| CString::new(path).ok());
        let name = name.ok_or_else(|| format!("{}: the name is not plain text", path.display()))?;
        // SAFETY: takes no arguments.
        let mut parameters = unsafe { sys::llama_model_default_params() };
        parameters.n_gpu_layers = request.gpu_layers.map_or(-1, |n| i32::try_from(n).unwrap_or(i32::MAX));
        parameters.use_extra_bufts = request.repack;
        parameters.load_mode = match request.mmap {
            Switch::Auto => sys::LLAMA_LOAD_MODE_AUTO,
            Switch::On => sys::LLAMA_LOAD_MODE_MMAP,
            Switch::Off => sys::LLAMA_LOAD_MODE_NONE,
        };
        parameters.progress_callback = Some(on_progress);
        parameters.progress_callback_user_data = std::ptr::from_ref(progress).cast_mut().cast();
        // SAFETY: the name ends in NUL; the callback gets the pointer to `progress`, which outlives the call.
        let raw = unsafe { sys::llama_model_load_from_file(name.as_ptr(), parameters) };
        NonNull::new(raw).map(|raw| Self { raw }).ok_or_else(|| log::cause(&log::drain()))
    }

    /// The model as the C interface takes it; valid while `self` lives.
    pub fn raw(&self) -> *mut sys::llama_model {
        self.raw.as_ptr()
    }

    /// llama.cpp's description, such as `llama 8B Q4_K - Medium`.
    pub fn description(&self) -> String {
        let mut buffer = [0u8; 256];
        // SAFETY: the buffer has the length that is passed, and the function ends it with NUL.
        unsafe { sys::llama_model_desc(self.raw(), buffer.as_mut_ptr().cast(), buffer.len()) };
        CStr::from_bytes_until_nul(&buffer)
            .map_or_else(|_| String::new(), |s| s.to_string_lossy().into_owned())
    }

    /// Number of parameters.
    pub fn parameters(&self) -> u64 {
        // SAFETY: the model is alive.
        unsafe { sys::llama_model_n_params(self.raw()) }
    }

    /// Bytes of all tensors.
    pub fn tensor_bytes(&self) -> u64 {
        // SAFETY: the model is alive.
        unsafe { sys::llama_model_size(self.raw()) }
    }

    /// Number of layers.
    pub fn layers(&self) -> u32 {
        // SAFETY: the model is alive.
        unsafe { sys::llama_model_n_layer(self.raw()) }.try_into().unwrap_or(0)
    }

    /// Longest context of the training, in tokens.
    pub fn train_context(&self) -> u32 {
        // SAFETY: the model is alive.
        unsafe { sys::llama_model_n_ctx_train(self.raw()) }.try_into().unwrap_or(0)
    }

    /// Entries of the vocabulary.
    pub fn vocabulary(&self) -> u32 {
        // SAFETY: the vocabulary lives as long as the model.
        unsafe { sys::llama_vocab_n_tokens(self.vocab()) }.try_into().unwrap_or(0)
    }

    /// The file has a tokenizer.
    pub fn has_tokenizer(&self) -> bool {
        // SAFETY: the vocabulary lives as long as the model.
        unsafe { sys::llama_vocab_type(self.vocab()) != sys::LLAMA_VOCAB_TYPE_NONE }
    }

    /// The token that a text begins with, where the model wants one.
    pub fn first_token(&self) -> Option<i32> {
        // SAFETY: the vocabulary lives as long as the model.
        unsafe { sys::llama_vocab_get_add_bos(self.vocab()).then(|| sys::llama_vocab_bos(self.vocab())) }
    }

    /// The token ends an answer.
    pub fn ends(&self, token: i32) -> bool {
        // SAFETY: the vocabulary lives as long as the model.
        unsafe { sys::llama_vocab_is_eog(self.vocab(), token) }
    }

    /// Tokens of `content`, special ones recognised; the first token is added where `first` is set.
    pub fn tokenize(&self, content: &str, first: bool) -> Result<Vec<i32>, String> {
        let length = i32::try_from(content.len()).map_err(|_| "the prompt is too long".to_owned())?;
        let mut tokens = vec![0; content.len() + 8];
        // SAFETY: text and token buffer have the lengths that are passed.
        let count = unsafe {
            let room = i32::try_from(tokens.len()).unwrap_or(i32::MAX);
            sys::llama_tokenize(
                self.vocab(),
                content.as_ptr().cast(),
                length,
                tokens.as_mut_ptr(),
                room,
                first,
                true,
            )
        };
        let count = usize::try_from(count).map_err(|_| "the prompt could not be tokenised".to_owned())?;
        tokens.truncate(count);
        Ok(tokens)
    }

    /// Bytes that `token` stands for; empty for control tokens.
    pub fn piece(&self, token: i32) -> Vec<u8> {
        let mut buffer = vec![0u8; 256];
        // SAFETY: the buffer has the length that is passed.
        let length = unsafe {
            sys::llama_token_to_piece(self.vocab(), token, buffer.as_mut_ptr().cast(), 256, 0, false)
        };
        buffer.truncate(usize::try_from(length).unwrap_or(0));
        buffer
    }

    /// The chat template of the file.
    pub fn chat_template(&self) -> Option<String> {
        // SAFETY: the model is alive; a null name asks for the default template.
        let template = unsafe { text(sys::llama_model_chat_template(self.raw(), std::ptr::null())) };
        (!template.is_empty()).then_some(template)
    }

    fn vocab(&self) -> *const sys::llama_vocab {
        // SAFETY: the model is alive.
        unsafe { sys::llama_model_get_vocab(self.raw()) }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: the model came from llama.cpp and is freed once; contexts hold it by counted reference.
        unsafe { sys::llama_model_free(self.raw()) };
    }
}

unsafe extern "C" fn on_progress(done: f32, progress: *mut c_void) -> bool {
    // SAFETY: `load` passes a reference that outlives the call.
    let progress = unsafe { &*progress.cast::<Progress>() };
    progress.set((f64::from(done) * 1000.0) as u64, 1000);
    true
}

/// Renders one user message with a template that llama.cpp recognises; `None` where it does not.
pub fn render(template: &str, message: &str) -> Option<String> {
    let template = CString::new(template).ok()?;
    let content = CString::new(message).ok()?;
    let chat = sys::llama_chat_message { role: c"user".as_ptr(), content: content.as_ptr() };
    let mut buffer = vec![0u8; 2 * message.len() + 4096];
    // SAFETY: the strings end in NUL and live during the call; the buffer has the length that is passed.
    let length = unsafe {
        let room = i32::try_from(buffer.len()).ok()?;
        let output = buffer.as_mut_ptr().cast::<c_char>();
        sys::llama_chat_apply_template(template.as_ptr(), &raw const chat, 1, true, output, room)
    };
    let length = usize::try_from(length).ok().filter(|&length| length <= buffer.len())?;
    buffer.truncate(length);
    String::from_utf8(buffer).ok()
}
