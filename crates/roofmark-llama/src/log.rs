//! llama.cpp's log: passed on to standard error line by line, and kept until somebody asks.
//!
//! Some facts (which buffers hold the weights, whether flash attention is on) are told nowhere else.

use llama_cpp_sys_2 as sys;
use roofmark_facts::units::Bytes;
use roofmark_measure::engine::Buffer;
use std::ffi::{CStr, c_char, c_void};
use std::sync::{Mutex, PoisonError};

/// Lines kept between two calls of [`drain`].
const LIMIT: usize = 2000;

#[derive(Default)]
struct Log {
    open: String,
    error: bool,
    lines: Vec<Line>,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The text without its line end.
    pub text: String,
    /// It was logged as an error.
    pub error: bool,
}

static LOG: Mutex<Log> = Mutex::new(Log { open: String::new(), error: false, lines: Vec::new() });

/// Makes llama.cpp and ggml log here.
pub fn install() {
    // SAFETY: `receive` has the required signature, needs no user data and lives as long as the program.
    unsafe {
        sys::llama_log_set(Some(receive), std::ptr::null_mut());
    }
}

/// The lines since the last call.
pub fn drain() -> Vec<Line> {
    std::mem::take(&mut LOG.lock().unwrap_or_else(PoisonError::into_inner).lines)
}

unsafe extern "C" fn receive(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if level == sys::GGML_LOG_LEVEL_DEBUG || text.is_null() {
        return;
    }
    // SAFETY: ggml passes a string that ends in NUL and lives during the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.error |= level == sys::GGML_LOG_LEVEL_ERROR;
    log.open.push_str(&text);
    while let Some(end) = log.open.find('\n') {
        let rest = log.open.split_off(end + 1);
        let text = std::mem::replace(&mut log.open, rest).trim_end().to_owned();
        let error = std::mem::take(&mut log.error);
        // Dots of a progress bar come without a level and say nothing.
        if !text.trim_matches('.').is_empty() {
            eprintln!("{text}");
            if log.lines.len() < LIMIT {
                log.lines.push(Line { text, error });
            }
        }
    }
}

/// The first error of `lines`, which is the cause of the others, without the name of the function that logged it.
pub fn cause(lines: &[Line]) -> String {
    let Some(line) = lines.iter().find(|line| line.error) else {
        return "the engine gives no reason".to_owned();
    };
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let text = match line.text.split_once(": ") {
        Some((function, cause)) if is_name(function) => cause,
        _ => &line.text,
    };
    text.replace("std::bad_alloc", "not enough memory")
}

/// The file that the processor's kernels were loaded from: `…: loaded CPU backend from /x/libggml-cpu-zen4.so`.
pub fn cpu_library(lines: &[Line]) -> Option<String> {
    let path = lines.iter().find_map(|line| Some(line.text.split_once("loaded CPU backend from ")?.1))?;
    Some(std::path::Path::new(path.trim()).file_name()?.to_string_lossy().into_owned())
}

/// Buffers that `lines` name: `…: CPU_REPACK model buffer size = 12.00 MiB` gives `CPU_REPACK model`.
pub fn buffers(lines: &[Line]) -> Vec<Buffer> {
    lines.iter().filter_map(|line| buffer(&line.text)).collect()
}

fn buffer(line: &str) -> Option<Buffer> {
    let (before, after) = line.split_once(" buffer size =")?;
    let (_, name) = before.rsplit_once(": ")?;
    let mib: f64 = after.trim().strip_suffix("MiB")?.trim().parse().ok()?;
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(Buffer { name, bytes: Bytes(mib * 1_048_576.0) })
}

/// What the log says of flash attention: the engine's choice if it chose, else the setting.
pub fn flash_attention(lines: &[Line]) -> Option<bool> {
    let chosen = lines.iter().rev().find_map(|line| {
        let text = line.text.to_lowercase();
        let rest = text.split("flash attention").nth(1)?;
        match () {
            () if rest.contains("enabled") => Some(true),
            () if rest.contains("disabled") || rest.contains("not supported") => Some(false),
            () => None,
        }
    });
    chosen.or_else(|| {
        let set = lines.iter().find_map(|line| line.text.split_once("flash_attn ")?.1.split_once('='))?.1;
        match set.trim() {
            "enabled" => Some(true),
            "disabled" => Some(false),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|&text| Line { text: text.to_owned(), error: text.contains("error") }).collect()
    }

    #[test]
    fn buffers_are_read_with_their_kind() {
        let found = buffers(&lines(&[
            "load_tensors:   CPU_REPACK model buffer size =    64.50 MiB",
            "llama_kv_cache:        CPU KV buffer size =     6.00 MiB",
            "llama_context:        CPU  output buffer size =     0.49 MiB",
            "load_tensors: offloaded 0/31 layers to GPU",
        ]));
        let text: Vec<String> = found.iter().map(|b| format!("{} {}", b.name, b.bytes.get())).collect();
        assert_eq!(text, ["CPU_REPACK model 67633152", "CPU KV 6291456", "CPU output 513802.24"]);
    }

    #[test]
    fn the_library_of_the_kernels_is_named_without_its_folder() {
        let log = ["load_backend: loaded CPU backend from /opt/roofmark/backends/libggml-cpu-zen4.so"];
        assert_eq!(cpu_library(&lines(&log)).as_deref(), Some("libggml-cpu-zen4.so"));
        assert_eq!(cpu_library(&lines(&["loaded Vulkan backend from libggml-vulkan.so"])), None);
    }

    #[test]
    fn flash_attention_is_the_choice_before_the_setting() {
        let auto = "llama_context: flash_attn            = auto";
        let on = "sched_reserve: Flash Attention was auto, set to enabled";
        assert_eq!(flash_attention(&lines(&[auto, on])), Some(true));
        assert_eq!(flash_attention(&lines(&[auto])), None);
        assert_eq!(
            flash_attention(&lines(&["llama_context: flash_attn            = disabled"])),
            Some(false)
        );
    }

    #[test]
    fn the_cause_is_the_first_error_without_its_function() {
        let log = ["info: begin", "gguf_init: an error", "load: error again"];
        assert_eq!(cause(&lines(&log)), "an error");
        assert_eq!(cause(&lines(&["out of error: twice"])), "out of error: twice");
        assert_eq!(cause(&[]), "the engine gives no reason");
    }
}
