//! Command-line arguments. Nothing below `command` sees clap.

use clap::{Parser, Subcommand};

/// Measures, predicts and referees local LLM inference.
#[derive(Debug, Parser)]
#[command(name = "roofmark", version, max_term_width = 100)]
pub struct Args {
    /// Print one JSON document instead of a screen.
    #[arg(long, global = true)]
    pub json: bool,

    /// Where results are kept: a file, or postgres://… [default: ledger.db in the user's data folder]
    #[arg(long, global = true, env = "ROOFMARK_LEDGER", hide_env_values = true)]
    pub ledger: Option<String>,

    /// Survive a loss of power too: one sync of the disk per record.
    #[arg(long, global = true)]
    pub durable: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands. Each has a file of its name in `command/`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure this machine with the embedded engine and hold it against its memory.
    #[cfg(feature = "engine")]
    Bench(crate::command::bench::BenchArgs),
    /// Load-test a server (this build has no engine of its own).
    #[cfg(not(feature = "engine"))]
    Bench(crate::command::endpoint::EndpointArgs),
    /// Measure what this machine's memory, arithmetic and links really give.
    Probe(crate::command::probe::ProbeArgs),
    /// Say what keeps this machine from its roof, with the number that shows it and what mends it.
    Doctor(crate::command::doctor::DoctorArgs),
    /// Draw a machine's ceilings, its knee, and where models stand under them.
    Roofline(crate::command::roofline::RooflineArgs),
    /// List the machines of the catalog, or explain one.
    Machines(crate::command::machines::MachinesArgs),
    /// List which engine runs on which machines, since when, on what evidence.
    Engines(crate::command::engines::EnginesArgs),
    /// List the models of the catalog, or explain one.
    Models(crate::command::models::ModelsArgs),
    /// Compute the rate that physics allows, with the arithmetic.
    Ceiling(crate::command::ceiling::CeilingArgs),
    /// Predict rates of models on machines, with intervals and what they rest on.
    Predict(crate::command::predict::PredictArgs),
    /// Grade the predictor on measurements that it may not look at.
    Evaluate(crate::command::evaluate::EvaluateArgs),
    /// Fit the predictor's table to the evidence and print it.
    Calibrate(crate::command::calibrate::CalibrateArgs),
    /// Rank what runs on a machine for a use.
    Fit(crate::command::fit::FitArgs),
    /// Say what a model costs: bytes, cache and FLOPs per token, from its file or the catalog.
    Inspect(crate::command::inspect::InspectArgs),
    /// Write a synthetic model: exact shapes and types, random weights.
    Synth(crate::command::synth::SynthArgs),
    /// Say whether published rates are possible: an article, a table, or one claim.
    Check(crate::command::check::CheckArgs),
    /// Rank machines for a workload, or say what a target rate would take.
    Advise(crate::command::advise::AdviseArgs),
    /// Work out what owning a machine costs, with intervals and what matters most.
    Cost(crate::command::cost::CostArgs),
    /// List, show, compare, follow, export and import what the ledger keeps.
    Results(crate::command::results::ResultsArgs),
    /// Check chain, signatures, statistics and physics of a bundle or of the whole ledger.
    Verify(crate::command::verify::VerifyArgs),
    /// Serve the page: machines, explorer, results, check, advise, cost, and a running bench.
    Serve(crate::command::serve::ServeArgs),
    /// Write results, a checked text, a ranking or a cost as one HTML file to hand on.
    Report(crate::command::report::ReportArgs),
    /// Send a signed bundle of records to a lab's page.
    Submit(crate::command::submit::SubmitArgs),
    /// Show the key that signs records, or trust the key of somebody else.
    Key(crate::command::key::KeyArgs),
    /// Print a completion script for a shell.
    Completions(crate::command::completions::CompletionsArgs),
    /// Print the manual page, or write one page a command.
    Man(crate::command::completions::ManArgs),
    /// The engine's own process; started by the program itself.
    #[cfg(feature = "engine")]
    #[command(name = "__engine", hide = true)]
    Engine(crate::command::engine::EngineArgs),
    /// The GPUs' own process; started by the program itself.
    #[command(name = "__gpu", hide = true)]
    Gpu(crate::command::gpu::GpuArgs),
}
