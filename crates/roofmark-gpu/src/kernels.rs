//! The compute kernels and their clocks.
//!
//! Times are wall times of batches of launches long enough that one launch does not count. Each kernel's
//! answer is checked: a driver that leaves work out is wrong, not fast.

use crate::GpuError;
use roofmark_facts::units::{Bytes, BytesPerSecond, FlopPerSecond, Seconds};
use std::time::{Duration, Instant};
use wgpu::{
    Adapter, BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, BufferDescriptor, BufferUsages,
    CommandEncoderDescriptor, ComputePassDescriptor, ComputePipeline, ComputePipelineDescriptor, Device,
    DeviceDescriptor, MapMode, PollType, Queue, ShaderModuleDescriptor, ShaderSource,
};

/// Largest buffer that is read, unless the adapter binds less.
const LARGEST_BUFFER: u64 = 1 << 30;
/// Threads of a workgroup, as in the shaders.
const WORKGROUP: u32 = 256;
/// Workgroups of the bandwidth kernels: enough to fill a large GPU several times over.
const GROUPS: u32 = 4096;
/// Workgroups and rounds of the arithmetic kernels.
const ARITHMETIC_GROUPS: u32 = 1024;
const ROUNDS: u32 = 256;
/// Vectors of four that each thread keeps going, so that no multiply-add waits for the one before.
const CHAINS: u32 = 8;
/// What the read buffer is filled with; its sum is known and exact in 32 bits, modulo 2^32.
const PATTERN: u32 = 3;

/// What a kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Sum a buffer.
    Read,
    /// Copy one buffer to another.
    Copy,
    /// Multiply-add in 32 bits.
    F32,
    /// Multiply-add in 16 bits.
    F16,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Copy => "copy",
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

/// An open device with its buffers.
pub struct Kernels {
    device: Device,
    queue: Queue,
    source: Buffer,
    target: Buffer,
    sums: Buffer,
    half: bool,
}

impl Kernels {
    /// Opens `adapter` and fills its buffers.
    pub fn new(adapter: &Adapter) -> Result<Self, GpuError> {
        let features = adapter.features() & crate::HALF;
        let limits = adapter.limits();
        let size = LARGEST_BUFFER.min(limits.max_buffer_size).min(limits.max_storage_buffer_binding_size);
        // Whole vectors for every thread: the shaders need no bounds.
        let size = size / (16 * u64::from(GROUPS * WORKGROUP)) * 16 * u64::from(GROUPS * WORKGROUP);
        let descriptor = DeviceDescriptor {
            required_features: features,
            required_limits: limits,
            ..DeviceDescriptor::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| GpuError::Open { name: adapter.get_info().name, reason: error.to_string() })?;
        let buffer = |size, usage| {
            device.create_buffer(&BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
        };
        let data = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let kernels = Self {
            source: buffer(size, data),
            target: buffer(size, data),
            sums: buffer(u64::from(GROUPS * WORKGROUP) * 4, data),
            half: features.contains(crate::HALF),
            device,
            queue,
        };
        kernels.fill()?;
        Ok(kernels)
    }

    /// The adapter computes in 16 bits.
    pub fn has_f16(&self) -> bool {
        self.half
    }

    fn bytes(&self) -> Bytes {
        Bytes(self.source.size() as f64)
    }

    /// Time from the submission of an empty kernel to the sight of its end: the median of many.
    pub fn launch(&self) -> Result<Seconds, GpuError> {
        let program = self.program("launch", EMPTY, &[&self.sums]);
        let mut times = Vec::new();
        for _ in 0..200 {
            let start = Instant::now();
            self.run(&program, 1, 1)?;
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        Ok(Seconds(times[times.len() / 2]))
    }

    /// Best rate of batches over about `row`. A copy counts what it reads and what it writes.
    pub fn bandwidth(&self, work: Work, row: Duration) -> Result<BytesPerSecond, GpuError> {
        let (program, arrays) = match work {
            Work::Copy => (self.program("copy", COPY, &[&self.source, &self.target]), 2.0),
            _ => (self.program("read", READ, &[&self.source, &self.sums]), 1.0),
        };
        let time = self.best(&program, GROUPS, row)?;
        match work {
            Work::Copy => self.check("copy", &self.target, f64::from(PATTERN))?,
            _ => {
                let words = self.bytes().get() / 4.0;
                let expected = words * f64::from(PATTERN) / f64::from(GROUPS * WORKGROUP);
                self.check("read", &self.sums, expected)?;
            }
        }
        Ok(BytesPerSecond(arrays * self.bytes().get() / time.get()))
    }

    /// Median rate of reading until `done`, at least three passes: what a GPU gets beside others.
    pub fn steady_read(&self, done: &dyn Fn() -> bool) -> Result<BytesPerSecond, GpuError> {
        let program = self.program("read", READ, &[&self.source, &self.sums]);
        self.run(&program, GROUPS, 1)?;
        let mut times = Vec::new();
        while times.len() < 3 || !done() {
            let start = Instant::now();
            self.run(&program, GROUPS, 1)?;
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        Ok(self.bytes() / Seconds(times[times.len() / 2]))
    }

    /// Best rate of multiply-adds over about `row`; each counts as two operations.
    pub fn arithmetic(&self, work: Work, row: Duration) -> Result<FlopPerSecond, GpuError> {
        let source = match work {
            Work::F16 => format!("enable f16;\n{}", arithmetic("f16")),
            _ => arithmetic("f32"),
        };
        let program = self.program(work.name(), &source, &[&self.sums]);
        let time = self.best(&program, ARITHMETIC_GROUPS, row)?;
        // Every chain holds its start: x · 1 + 0 in a form that no compiler can know.
        self.check(work.name(), &self.sums, f64::from(CHAINS * 4))?;
        let threads = f64::from(ARITHMETIC_GROUPS) * f64::from(WORKGROUP);
        let operations = 2.0 * 4.0 * f64::from(CHAINS) * f64::from(ROUNDS);
        Ok(FlopPerSecond(threads * operations / time.get()))
    }

    /// Host to device: from mapped memory into a buffer of the device.
    pub fn upload(&self, row: Duration) -> Result<BytesPerSecond, GpuError> {
        let staging = self.staging(BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC);
        self.transfer("upload", &staging, &self.target, row)
    }

    /// Device to host.
    pub fn download(&self, row: Duration) -> Result<BytesPerSecond, GpuError> {
        let staging = self.staging(BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        self.transfer("download", &self.source, &staging, row)
    }

    fn staging(&self, usage: BufferUsages) -> Buffer {
        let size = self.source.size().min(256 << 20);
        self.device.create_buffer(&BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    }

    fn transfer(
        &self,
        kernel: &'static str,
        from: &Buffer,
        to: &Buffer,
        row: Duration,
    ) -> Result<BytesPerSecond, GpuError> {
        let size = from.size().min(to.size());
        let (begin, mut best) = (Instant::now(), f64::INFINITY);
        while best.is_infinite() || begin.elapsed() < row {
            let start = Instant::now();
            let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(from, 0, to, 0, size);
            self.queue.submit([encoder.finish()]);
            self.wait(kernel)?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        Ok(BytesPerSecond(size as f64 / best))
    }

    /// Shortest time of one launch, out of batches that take at least a twentieth of `row` each.
    fn best(&self, program: &Program, groups: u32, row: Duration) -> Result<Seconds, GpuError> {
        let mut launches = 1;
        let batch = row.as_secs_f64() / 20.0;
        self.run(program, groups, 1)?;
        let (begin, mut best) = (Instant::now(), f64::INFINITY);
        while best.is_infinite() || begin.elapsed() < row {
            let start = Instant::now();
            self.run(program, groups, launches)?;
            let took = start.elapsed().as_secs_f64();
            if took < batch && launches < 4096 {
                launches *= 2;
            } else {
                best = best.min(took / f64::from(launches));
            }
        }
        Ok(Seconds(best))
    }

    fn fill(&self) -> Result<(), GpuError> {
        for buffer in [&self.source, &self.sums] {
            self.run(&self.program("fill", FILL, &[buffer]), GROUPS, 1)?;
        }
        Ok(())
    }

    fn program(&self, name: &'static str, source: &str, buffers: &[&Buffer]) -> Program {
        let source = ShaderSource::Wgsl(source.into());
        let module = self.device.create_shader_module(ShaderModuleDescriptor { label: Some(name), source });
        let pipeline = self.device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(name),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        let entries: Vec<_> = (0_u32..)
            .zip(buffers)
            .map(|(binding, buffer)| BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let group = self.device.create_bind_group(&BindGroupDescriptor {
            label: Some(name),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        Program { name, pipeline, group }
    }

    fn run(&self, program: &Program, groups: u32, launches: u32) -> Result<(), GpuError> {
        let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
            pass.set_pipeline(&program.pipeline);
            pass.set_bind_group(0, &program.group, &[]);
            for _ in 0..launches {
                pass.dispatch_workgroups(groups, 1, 1);
            }
        }
        self.queue.submit([encoder.finish()]);
        self.wait(program.name)
    }

    fn wait(&self, kernel: &'static str) -> Result<(), GpuError> {
        let wait = PollType::Wait { submission_index: None, timeout: Some(Duration::from_secs(20)) };
        let done = self.device.poll(wait);
        done.map(|_| ()).map_err(|error| GpuError::Run { kernel, reason: error.to_string() })
    }

    /// Compares the first and the last word of `buffer` with `expected`.
    fn check(&self, kernel: &'static str, buffer: &Buffer, expected: f64) -> Result<(), GpuError> {
        let words = if kernel.starts_with('f') {
            buffer.size().min(u64::from(ARITHMETIC_GROUPS * WORKGROUP) * 4)
        } else {
            buffer.size()
        };
        for offset in [0, words - 4] {
            let found = f64::from(self.word(kernel, buffer, offset)?);
            if found != expected {
                return Err(GpuError::Wrong { kernel, found, expected });
            }
        }
        Ok(())
    }

    fn word(&self, kernel: &'static str, buffer: &Buffer, offset: u64) -> Result<u32, GpuError> {
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let answer = self.device.create_buffer(&BufferDescriptor {
            label: None,
            size: 4,
            usage,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, offset, &answer, 0, 4);
        self.queue.submit([encoder.finish()]);
        let mapped = std::sync::Arc::new(std::sync::Mutex::new(None));
        let seen = mapped.clone();
        answer.slice(..).map_async(MapMode::Read, move |result| {
            if let Ok(mut place) = seen.lock() {
                *place = Some(result);
            }
        });
        self.wait(kernel)?;
        let failed = |reason: String| GpuError::Run { kernel, reason };
        match mapped.lock().ok().and_then(|mut place| place.take()) {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(failed(error.to_string())),
            None => return Err(failed("the answer was never mapped".into())),
        }
        let view = answer.slice(..).get_mapped_range();
        let view = view.map_err(|error| failed(error.to_string()))?;
        Ok(bytemuck::pod_read_unaligned(&view))
    }
}

struct Program {
    name: &'static str,
    pipeline: ComputePipeline,
    group: BindGroup,
}

const EMPTY: &str = "
@group(0) @binding(0) var<storage, read_write> sums: array<u32>;
@compute @workgroup_size(1) fn main() { sums[0] = 1u; }
";

const FILL: &str = "
const THREADS = 1048576u;
@group(0) @binding(0) var<storage, read_write> source: array<vec4<u32>>;
@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var i = id.x; i < arrayLength(&source); i += THREADS) { source[i] = vec4<u32>(3u); }
}
";

const READ: &str = "
const THREADS = 1048576u;
@group(0) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;
@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var sum = vec4<u32>();
    for (var i = id.x; i < arrayLength(&source); i += THREADS) { sum += source[i]; }
    sums[id.x] = sum.x + sum.y + sum.z + sum.w;
}
";

const COPY: &str = "
const THREADS = 1048576u;
@group(0) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> target_buffer: array<vec4<u32>>;
@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var i = id.x; i < arrayLength(&source); i += THREADS) { target_buffer[i] = source[i]; }
}
";

/// Chains of multiply-adds on vectors of four. The factor and the addend come from memory, where they are
/// such that a chain keeps its value; so the answer is known here and not to the compiler.
fn arithmetic(number: &str) -> String {
    let each = |form: &dyn Fn(u32) -> String| (0..CHAINS).map(form).collect::<String>();
    let start = each(&|chain| format!("    var x{chain} = vec4<{number}>(one);\n"));
    let step = each(&|chain| format!("        x{chain} = fma(x{chain}, one, zero);\n"));
    let sum = (0..CHAINS).map(|chain| format!("x{chain}")).collect::<Vec<_>>().join(" + ");
    format!(
        "
@group(0) @binding(0) var<storage, read_write> sums: array<u32>;
@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
    let word = min(sums[id.x], 1u);
    let one = vec4<{number}>({number}(word));
    let zero = vec4<{number}>({number}(1u - word));
{start}    for (var i = 0u; i < {ROUNDS}u; i += 1u) {{
{step}    }}
    let total = {sum};
    sums[id.x] = u32(total.x + total.y + total.z + total.w);
}}
"
    )
}
