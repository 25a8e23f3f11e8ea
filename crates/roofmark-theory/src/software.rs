//! Engines and backends as the predictor tells them apart: by the kernels that run.

use roofmark_facts::machine::{Machine, MachineKind};
use serde::{Deserialize, Serialize};

/// The library that computes on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// NVIDIA.
    Cuda,
    /// AMD ROCm (HIP).
    Rocm,
    /// Vulkan.
    Vulkan,
    /// Apple Metal through llama.cpp's kernels.
    Metal,
    /// Apple MLX.
    Mlx,
    /// Intel.
    Sycl,
    /// The processor.
    Cpu,
}

/// The program that serves the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// llama.cpp's own tools and library.
    LlamaCpp,
    /// Ollama.
    Ollama,
    /// LM Studio.
    LmStudio,
    /// MLX-LM and servers on it.
    Mlx,
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// TensorRT-LLM.
    TensorRt,
    /// antirez/ds4, an engine for one model.
    Ds4,
    /// Any other.
    Other,
}

impl Engine {
    /// Reads an engine's name as people write it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.to_lowercase().replace([' ', '_'], "-");
        let is = |part: &str| text.contains(part);
        match () {
            () if is("ollama") => Self::Ollama,
            () if is("lm-studio") || is("lmstudio") => Self::LmStudio,
            () if is("llama") || is("koboldcpp") || is("lemonade") || is("jan") => Self::LlamaCpp,
            () if is("mlx") => Self::Mlx,
            () if is("vllm") => Self::Vllm,
            () if is("sglang") => Self::Sglang,
            () if is("tensorrt") || is("trt") => Self::TensorRt,
            () if is("ds4") => Self::Ds4,
            () => Self::Other,
        }
    }

    /// The name as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LlamaCpp => "llama.cpp",
            Self::Ollama => "Ollama",
            Self::LmStudio => "LM Studio",
            Self::Mlx => "MLX",
            Self::Vllm => "vLLM",
            Self::Sglang => "SGLang",
            Self::TensorRt => "TensorRT-LLM",
            Self::Ds4 => "ds4",
            Self::Other => "engine not known",
        }
    }

    /// Rates of a server hold queueing, scheduling and transport; rates of a benchmark loop do not.
    #[must_use]
    pub fn is_server(self) -> bool {
        !matches!(self, Self::LlamaCpp | Self::Ds4)
    }

    /// Whether several sequences are scheduled continuously, prompts between decode steps.
    #[must_use]
    pub fn interleaves_prompts(self) -> bool {
        matches!(self, Self::Vllm | Self::Sglang | Self::TensorRt)
    }

    /// Whether the engine runs on `backend`, as far as anything was measured.
    #[must_use]
    pub fn has(self, backend: Backend) -> bool {
        match self {
            Self::Mlx => matches!(backend, Backend::Mlx | Backend::Metal),
            Self::TensorRt => backend == Backend::Cuda,
            Self::Vllm | Self::Sglang => backend != Backend::Mlx && backend != Backend::Vulkan,
            Self::LlamaCpp => backend != Backend::Mlx,
            _ => true,
        }
    }

    /// Tokens of a prompt that are processed in one pass.
    #[must_use]
    pub fn chunk(self) -> f64 {
        match self {
            Self::LlamaCpp | Self::Ollama | Self::LmStudio | Self::Ds4 | Self::Other => 512.0,
            Self::Mlx | Self::Vllm | Self::Sglang | Self::TensorRt => 2048.0,
        }
    }

    /// Name of the set of kernels: Ollama and LM Studio run llama.cpp's, or MLX's on that backend.
    #[must_use]
    pub fn kernels(self, backend: Backend) -> &'static str {
        match (self, backend) {
            (_, Backend::Mlx) => "mlx",
            (Self::LlamaCpp | Self::Ollama | Self::LmStudio | Self::Other, _) => "llama.cpp",
            (Self::Mlx, _) => "mlx",
            (Self::Vllm, _) => "vllm",
            (Self::Sglang, _) => "sglang",
            (Self::TensorRt, _) => "tensorrt-llm",
            (Self::Ds4, _) => "ds4",
        }
    }
}

impl Backend {
    /// Reads a backend's name; `None` where it names none of these.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        let is = |part: &str| text.contains(part);
        Some(match () {
            () if is("mlx") => Self::Mlx,
            () if is("metal") => Self::Metal,
            () if is("cuda") => Self::Cuda,
            () if is("rocm") || is("hip") => Self::Rocm,
            () if is("vulkan") => Self::Vulkan,
            () if is("sycl") || is("openvino") || is("oneapi") => Self::Sycl,
            () if is("cpu") => Self::Cpu,
            () => return None,
        })
    }

    /// The backend that `engine` uses on `machine` when nothing else is said.
    #[must_use]
    pub fn usual(machine: &Machine, engine: Engine) -> Self {
        let vendor = machine.vendor.to_lowercase();
        match () {
            () if machine.kind == MachineKind::Cpu || machine.class.starts_with("cpu") => Self::Cpu,
            () if vendor.contains("apple") && engine == Engine::Mlx => Self::Mlx,
            () if vendor.contains("apple") => Self::Metal,
            () if vendor.contains("nvidia") => Self::Cuda,
            () if engine.interleaves_prompts() && vendor.contains("amd") => Self::Rocm,
            () => Self::Vulkan,
        }
    }

    /// Whether the backend exists on the machine.
    #[must_use]
    pub fn runs_on(self, machine: &Machine) -> bool {
        let vendor = machine.vendor.to_lowercase();
        let cpu_only = machine.kind == MachineKind::Cpu || machine.class.starts_with("cpu");
        match self {
            Self::Cpu => true,
            _ if cpu_only => false,
            Self::Metal | Self::Mlx => vendor.contains("apple"),
            Self::Cuda => vendor.contains("nvidia"),
            Self::Rocm => vendor.contains("amd"),
            Self::Sycl => vendor.contains("intel"),
            Self::Vulkan => !vendor.contains("apple"),
        }
    }

    /// Name as the field writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "CUDA",
            Self::Rocm => "ROCm",
            Self::Vulkan => "Vulkan",
            Self::Metal => "Metal",
            Self::Mlx => "MLX",
            Self::Sycl => "SYCL",
            Self::Cpu => "CPU",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_people_write_them() {
        for (text, engine) in [
            ("llama-bench", Engine::LlamaCpp),
            ("llamacpp", Engine::LlamaCpp),
            ("LM Studio", Engine::LmStudio),
            ("Rapid-MLX", Engine::Mlx),
            ("vLLM", Engine::Vllm),
            ("TensorRT-LLM", Engine::TensorRt),
            ("something", Engine::Other),
        ] {
            assert_eq!(Engine::parse(text), engine, "{text}");
        }
        assert_eq!(Backend::parse("Metal/MLX"), Some(Backend::Mlx));
        assert_eq!(Backend::parse("quantum"), None);
    }
}
