//! The engine: requests in, llama.cpp's calls, times out.
//!
//! The protocol of a cell is llama-bench's (one sequence) and llama-batched-bench's (several): the
//! cache is cleared, filled to the depth outside the clock, and the clock runs around the decode
//! call and its synchronisation. Parity is shown in docs/benchmarks.md.

use crate::batch::Batch;
use crate::context::Context;
use crate::model::Model;
use crate::product::Product;
use crate::random::Random;
use crate::{VERSION, backend, chat, log, process};
use roofmark_facts::units::{Bytes, Seconds};
use roofmark_measure::engine::serve::Progress;
use roofmark_measure::engine::{
    DecodeCell, Device, Engine, EngineError, GenerateRequest, Generated, LoadRequest, Loaded, ModelSource,
    OpenRequest, Opened, PrefillCell, ProductCell, Products, Timed,
};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

/// Largest saved cache, in bytes; a larger one is computed again for each cell.
const LARGEST_SAVED: usize = 2 << 30;

/// llama.cpp in this process.
pub struct Llama {
    progress: Progress,
    sandbox: String,
    /// Library of the processor's kernels, where they are not linked in.
    library: Option<String>,
    model: Option<Rc<Model>>,
    context: Option<Context>,
    saved: Option<Saved>,
    products: Vec<Product>,
}

/// What the cache held after a fill, so that the next cell at this depth need not compute it.
struct Saved {
    depth: u32,
    seed: u64,
    state: Vec<u8>,
}

impl Llama {
    /// Starts llama.cpp. `sandbox` says how far this process is confined.
    ///
    /// # Errors
    /// When the build has no usable backend.
    pub fn start(progress: Progress, sandbox: String) -> Result<Self, String> {
        let library = backend::start()?;
        Ok(Self { progress, sandbox, library, model: None, context: None, saved: None, products: Vec::new() })
    }

    fn load_model(&mut self, request: &LoadRequest) -> Result<Loaded, String> {
        (self.saved, self.context, self.model) = (None, None, None);
        log::drain();
        let path = openable(&request.model)?;
        let start = Instant::now();
        let model = Model::load(&path, request, &self.progress)
            .map_err(|reason| format!("{}: {reason}", path.display()))?;
        let time = Seconds(start.elapsed().as_secs_f64());
        let loaded = self.describe(&model, request.repack, time);
        self.model = Some(Rc::new(model));
        Ok(loaded)
    }

    fn describe(&self, model: &Model, repack: bool, time: Seconds) -> Loaded {
        Loaded {
            engine: "llama.cpp".to_owned(),
            version: VERSION.to_owned(),
            system_info: self.system_info(),
            devices: backend::devices(),
            model: model.description(),
            parameters: model.parameters(),
            tensor_bytes: Bytes(model.tensor_bytes() as f64),
            layers: model.layers(),
            train_context: model.train_context(),
            vocabulary: model.vocabulary(),
            tokenizer: model.has_tokenizer(),
            buffers: log::buffers(&log::drain()),
            repack,
            time,
            environment: process::engine_environment(),
            sandbox: self.sandbox.clone(),
        }
    }

    /// The engine's features, and the library that they were found in.
    fn system_info(&self) -> String {
        let library = self.library.iter().map(|name| format!("LIBRARY = {name} | "));
        backend::system_info() + &library.collect::<String>()
    }

    fn open_context(&mut self, request: &OpenRequest) -> Result<Opened, String> {
        (self.saved, self.context) = (None, None);
        check_open(request)?;
        let model = self.model.clone().ok_or("no model is loaded")?;
        log::drain();
        let context = Context::open(model, request)?;
        let lines = log::drain();
        let opened = Opened {
            context: context.tokens_per_sequence(),
            threads: request.threads,
            flash_attention: log::flash_attention(&lines),
            buffers: log::buffers(&lines),
            resident: process::memory("VmRSS:"),
            resident_peak: process::memory("VmHWM:"),
        };
        self.context = Some(context);
        Ok(opened)
    }

    fn time_prefill(&mut self, cell: &PrefillCell) -> Result<Timed, String> {
        let mut random = Random::new(cell.seed);
        let setup = self.fill(cell.depth, 1, cell.tokens, cell.seed)?;
        let context = self.context.as_mut().ok_or("no context is open")?;
        let start = Instant::now();
        feed(context, &mut random, cell.tokens, cell.depth)?;
        context.wait();
        let time = Seconds(start.elapsed().as_secs_f64());
        Ok(Timed { setup, steps: vec![time], finite: finite(context) })
    }

    fn time_decode(&mut self, cell: &DecodeCell) -> Result<Timed, String> {
        let mut random = Random::new(cell.seed);
        let setup = self.fill(cell.depth, cell.batch, cell.steps, cell.seed)?;
        let context = self.context.as_mut().ok_or("no context is open")?;
        let vocabulary = context.model().vocabulary();
        let mut token = context.model().first_token().unwrap_or_else(|| random.below(vocabulary));
        let mut batch = Batch::default();
        let mut steps = Vec::with_capacity(cell.steps as usize);
        for step in 0..cell.steps {
            let start = Instant::now();
            batch.clear();
            for sequence in 0..cell.batch {
                batch.push(token, signed(cell.depth + step), signed(sequence), true);
                token = random.below(vocabulary);
            }
            context.decode(&mut batch)?;
            context.wait();
            steps.push(Seconds(start.elapsed().as_secs_f64()));
            self.progress.set(u64::from(step) + 1, u64::from(cell.steps));
        }
        Ok(Timed { setup, steps, finite: finite(context) })
    }

    /// Clears the cache and fills `batch` sequences to `depth`; gives the time it took.
    fn fill(&mut self, depth: u32, batch: u32, more: u32, seed: u64) -> Result<Seconds, String> {
        let context = self.context.as_mut().ok_or("no context is open")?;
        check_cell(context, depth, batch, more)?;
        let start = Instant::now();
        context.clear();
        if depth > 0 && !restore(context, self.saved.as_ref(), depth, batch, seed) {
            context.clear();
            // Another seed than the cell's own: its tokens shall not repeat those in the cache.
            feed(context, &mut Random::new(!seed), depth, 0)?;
            let state = context.save();
            copy_to_others(context, &state, batch)?;
            self.saved = (state.len() <= LARGEST_SAVED).then_some(Saved { depth, seed, state });
        }
        context.wait();
        Ok(Seconds(start.elapsed().as_secs_f64()))
    }

    /// Decode's and prefill's products are kept side by side: a sentinel runs both again and again.
    fn multiply_matrices(&mut self, cell: &ProductCell) -> Result<Products, String> {
        let kept = self.products.iter().position(|product| product.serves(cell));
        let index = match kept {
            Some(index) => index,
            None => {
                self.products.retain(|product| product.stays_beside(cell));
                self.products.push(Product::new(cell)?);
                self.products.len() - 1
            }
        };
        self.products[index].run(cell.time, &self.progress)
    }

    fn refuse(request: &'static str) -> impl Fn(String) -> EngineError {
        move |reason| EngineError::Refused { request, reason }
    }
}

impl Engine for Llama {
    fn load(&mut self, request: &LoadRequest) -> Result<Loaded, EngineError> {
        self.load_model(request).map_err(Self::refuse("load the model"))
    }

    fn open(&mut self, request: &OpenRequest) -> Result<Opened, EngineError> {
        self.open_context(request).map_err(Self::refuse("open a context"))
    }

    fn prefill(&mut self, cell: &PrefillCell) -> Result<Timed, EngineError> {
        let timed = self.time_prefill(cell).map_err(Self::refuse("run a prefill"));
        process::come_to_rest();
        timed
    }

    fn decode(&mut self, cell: &DecodeCell) -> Result<Timed, EngineError> {
        let timed = self.time_decode(cell).map_err(Self::refuse("run decode steps"));
        process::come_to_rest();
        timed
    }

    fn devices(&mut self) -> Result<Vec<Device>, EngineError> {
        Ok(backend::devices())
    }

    fn multiply(&mut self, cell: &ProductCell) -> Result<Products, EngineError> {
        let products = self.multiply_matrices(cell).map_err(Self::refuse("multiply matrices"));
        process::come_to_rest();
        products
    }

    fn generate(&mut self, request: &GenerateRequest) -> Result<Generated, EngineError> {
        let refuse = Self::refuse("generate text");
        let context = self.context.as_mut().ok_or_else(|| refuse("no context is open".to_owned()))?;
        chat::generate(context, request, &self.progress).map_err(refuse)
    }
}

/// The path to load, after a look whether it is there: llama.cpp's own message would not say why.
fn openable(model: &ModelSource) -> Result<PathBuf, String> {
    let path = match model {
        ModelSource::File(path) => path.clone(),
        ModelSource::Descriptor(number) => Path::new("/dev/fd").join(number.to_string()),
    };
    let file = std::fs::File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let metadata = file.metadata().map_err(|error| format!("{}: {error}", path.display()))?;
    if metadata.is_dir() { Err(format!("{} is a folder", path.display())) } else { Ok(path) }
}

fn check_open(request: &OpenRequest) -> Result<(), String> {
    let settings = [
        ("threads", request.threads),
        ("context", request.context),
        ("sequences", request.sequences),
        ("batch", request.batch),
        ("micro_batch", request.micro_batch),
    ];
    match settings.into_iter().find(|&(_, value)| value == 0) {
        Some((name, _)) => Err(format!("{name} is 0")),
        None => Ok(()),
    }
}

fn check_cell(context: &Context, depth: u32, batch: u32, more: u32) -> Result<(), String> {
    let room = context.tokens_per_sequence();
    if more == 0 || batch == 0 {
        return Err("the cell has nothing to do".to_owned());
    }
    if depth.checked_add(more).is_none_or(|tokens| tokens > room) {
        return Err(format!("depth {depth} and {more} more tokens do not fit into a context of {room}"));
    }
    if batch > context.sequences().min(context.batch_limit()) {
        return Err(format!("batch {batch} is more than the context's {} sequences", context.sequences()));
    }
    Ok(())
}

/// Puts `count` random tokens into the first sequence, from `position` on.
fn feed(context: &mut Context, random: &mut Random, count: u32, position: u32) -> Result<(), String> {
    let vocabulary = context.model().vocabulary();
    let limit = context.batch_limit();
    let mut batch = Batch::default();
    let mut done = 0;
    while done < count {
        let chunk = limit.min(count - done);
        batch.clear();
        for index in 0..chunk {
            let token = match context.model().first_token() {
                Some(first) if done + index == 0 => first,
                _ => random.below(vocabulary),
            };
            batch.push(token, signed(position + done + index), 0, index + 1 == chunk);
        }
        context.decode(&mut batch)?;
        done += chunk;
    }
    Ok(())
}

fn restore(context: &mut Context, saved: Option<&Saved>, depth: u32, batch: u32, seed: u64) -> bool {
    let Some(saved) = saved.filter(|saved| saved.depth == depth && saved.seed == seed) else { return false };
    (0..batch).all(|sequence| context.restore(&saved.state, signed(sequence)))
}

fn copy_to_others(context: &mut Context, state: &[u8], batch: u32) -> Result<(), String> {
    match (1..batch).find(|&sequence| !context.restore(state, signed(sequence))) {
        Some(sequence) => Err(format!("the cache could not be copied to sequence {sequence}")),
        None => Ok(()),
    }
}

fn finite(context: &mut Context) -> bool {
    context.logits().is_some_and(|logits| logits.iter().all(|value| value.is_finite()))
}

fn signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
