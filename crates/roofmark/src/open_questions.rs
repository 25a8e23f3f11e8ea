//! The questions of the command line, open to the page: a query string becomes the arguments of the command of the
//! same name, so that both mean the same and fail with the same words.

use crate::args::{Args, Command};
use crate::command::results::history;
use crate::command::{advise, ceiling, check, cost, engines, fit, machines, models, predict, verify};
use crate::ledger::{self, Place};
use crate::{catalog, pick};
use anyhow::{Context, Result, bail, ensure};
use clap::{CommandFactory, Parser};
use roofmark_facts::advice::{Advice, TargetAnswer};
use roofmark_facts::answer::Case;
use roofmark_facts::catalog::{Catalog, Model};
use roofmark_facts::claim::Checked;
use roofmark_facts::machine::Machine;
use roofmark_ledger::key::{KnownKeys, PublicKey};
use roofmark_ledger::query::Filter;
use roofmark_ledger::record::Record;
use roofmark_ledger::{Error as LedgerError, Ledger};
use roofmark_report::cost::Costed;
use roofmark_web::{Compared, LIVE_FOLDER, Operation, Pairs, Parameter, Program, Refused, Trend};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Commands whose questions may be asked over the network.
const OPEN: [&str; 8] = ["machines", "models", "engines", "ceiling", "predict", "fit", "advise", "cost"];
/// Options that only make sense, or are only safe, at the machine itself.
const CLOSED: [&str; 7] = ["json", "ledger", "durable", "help", "version", "local", "article"];
/// Most predictions of one question.
const MOST_CASES: usize = 500;

/// This program, for its page.
pub struct Lent {
    /// Its ledger.
    pub place: Place,
}

impl Program for Lent {
    fn tool(&self) -> &'static str {
        ledger::TOOL
    }

    fn catalog(&self) -> &'static Catalog {
        // Reading it failed before serving began, or never.
        catalog::catalog().unwrap_or_else(|_| Catalog::builtin())
    }

    fn operations(&self) -> Vec<Operation> {
        let program = Args::command();
        OPEN.iter().filter_map(|name| program.find_subcommand(name)).map(operation).collect()
    }

    fn json(&self, operation: &str, query: &Pairs) -> Result<Value, Refused> {
        match parsed(operation, query)? {
            Command::Machines(args) => machines::document(&args).map_err(refused),
            Command::Models(args) => models::document(&args).map_err(refused),
            Command::Engines(args) => engines::document(&args).map_err(refused),
            Command::Ceiling(args) => ceiling::document(&args).map_err(refused),
            Command::Fit(args) => {
                fit::ranked(&args, &self.place).map(|ranking| json!(ranking)).map_err(refused)
            }
            Command::Predict(_) => Ok(predict::documents(&self.predict(query)?)),
            Command::Advise(args) if args.target.is_some() => Ok(json!(self.target(query)?)),
            Command::Advise(_) => Ok(json!(self.advise(query)?)),
            Command::Cost(_) => Ok(json!(self.cost(query)?)),
            _ => Err(unknown(operation)),
        }
    }

    fn machine(&self, name: &str) -> Result<&'static Machine, Refused> {
        pick::machine(name).map_err(refused)
    }

    fn model(&self, name: &str) -> Result<&'static Model, Refused> {
        pick::model(name).map_err(refused)
    }

    fn predict(&self, query: &Pairs) -> Result<Vec<Case>, Refused> {
        let Command::Predict(args) = parsed("predict", query)? else { return Err(unknown("predict")) };
        let lengths = [
            args.machine.len(),
            args.model.len(),
            args.quant.len(),
            args.depth.len(),
            args.batch.len(),
            args.prompt.len(),
        ];
        let count = lengths.iter().fold(1_usize, |count, &length| count.saturating_mul(length));
        if count > MOST_CASES {
            return Err(Refused::bad(format!(
                "this asks for {count} predictions, at most {MOST_CASES} are made at once"
            )));
        }
        predict::cases(&args, &self.place).map_err(refused)
    }

    fn advise(&self, query: &Pairs) -> Result<Advice, Refused> {
        let Command::Advise(args) = parsed("advise", query)? else { return Err(unknown("advise")) };
        advise::advice(&args).map_err(refused)
    }

    fn target(&self, query: &Pairs) -> Result<TargetAnswer, Refused> {
        let Command::Advise(args) = parsed("advise", query)? else { return Err(unknown("advise")) };
        let text = args.target.as_deref().ok_or_else(|| Refused::bad("no target is named"))?;
        advise::target(&args, text).map_err(refused)
    }

    fn cost(&self, query: &Pairs) -> Result<Costed, Refused> {
        let Command::Cost(args) = parsed("cost", query)? else { return Err(unknown("cost")) };
        cost::costed(&args).map_err(refused)
    }

    fn check(&self, name: &str, text: &[u8]) -> Result<Checked, Refused> {
        check::checked(name, text, None).map_err(refused)
    }

    fn checked_json(&self, checked: &Checked) -> Value {
        check::document(checked)
    }

    fn open_ledger(&self) -> Result<Ledger, LedgerError> {
        ledger::connect(&self.place)
    }

    fn known_keys(&self) -> Result<KnownKeys, Refused> {
        ledger::known_keys().map_err(unavailable)
    }

    fn own_key(&self) -> Result<PublicKey, Refused> {
        ledger::signer().map(|signer| signer.public()).map_err(unavailable)
    }

    fn problems(&self, record: &Record) -> Vec<String> {
        verify::problems(record)
    }

    fn compare(&self, ledger: &mut Ledger, base: &str, new: &str) -> Result<Compared, Refused> {
        history::compared(ledger, base, new).map_err(refused)
    }

    fn trend(&self, ledger: &mut Ledger, query: &Pairs) -> Result<Vec<Trend>, Refused> {
        let value = |name: &str| {
            query.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.clone())
        };
        let filter = Filter {
            machine: value("machine"),
            backend: value("backend"),
            engine: value("engine"),
            model: value("model"),
            quant: value("quant"),
            ..Filter::default()
        };
        history::trends(ledger, value("record").as_deref(), &filter).map_err(refused)
    }

    fn live_folder(&self) -> Option<PathBuf> {
        ledger::folder().ok().map(|folder| folder.join(LIVE_FOLDER))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
fn refused(error: anyhow::Error) -> Refused {
    Refused::bad(format!("{error:#}"))
}

/// What a reader of the page may not learn in detail, such as the path of a key.
#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
fn unavailable(error: anyhow::Error) -> Refused {
    eprintln!("error: {error:#}");
    Refused::failed("failed to read the keys of this server")
}

fn unknown(operation: &str) -> Refused {
    Refused::missing(format!("there is no question `{}`; known: {}", pick::shown(operation), OPEN.join(", ")))
}

/// The command that `operation` and `query` mean.
fn parsed(operation: &str, query: &Pairs) -> Result<Command, Refused> {
    if !OPEN.contains(&operation) {
        return Err(unknown(operation));
    }
    let words = words(operation, query).map_err(refused)?;
    Args::try_parse_from(words).map(|args| args.command).map_err(|error| {
        let text = error.to_string();
        let told: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
        Refused::bad(told.join(" ").trim_start_matches("error: ").to_owned())
    })
}

fn words(operation: &str, query: &Pairs) -> Result<Vec<String>> {
    let program = Args::command();
    let command = program.find_subcommand(operation).context("there is no such question")?;
    let mut words = vec!["roofmark".to_owned(), operation.to_owned()];
    let mut places = vec!["--".to_owned()];
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        let wanted = name.replace('_', "-");
        let Some(argument) = open_arguments(command).find(|argument| name_of(argument) == wanted) else {
            let known: Vec<String> =
                open_arguments(command).map(|argument| name_of(argument).replace('-', "_")).collect();
            bail!("{operation} has no parameter `{}`; known: {}", pick::shown(name), known.join(", "));
        };
        no_file(name, value)?;
        if argument.is_positional() {
            places.push(value.clone());
        } else if argument.get_action().takes_values() {
            words.push(format!("--{wanted}={value}"));
        } else if matches!(value.as_str(), "true" | "on" | "1") {
            words.push(format!("--{wanted}"));
        }
    }
    words.append(&mut places);
    Ok(words)
}

/// Names of files mean something to the commands; over the network they mean nothing.
fn no_file(name: &str, value: &str) -> Result<()> {
    let lower = value.to_lowercase();
    let is_file = value.contains(['\\', '\0']) || lower.contains(".gguf") || lower.contains(".json");
    ensure!(
        !(name == "model" && is_file),
        "model is `{}`: the page takes models of the catalog",
        pick::shown(value)
    );
    Ok(())
}

fn open_arguments(command: &clap::Command) -> impl Iterator<Item = &clap::Arg> {
    command
        .get_arguments()
        .filter(|argument| !CLOSED.contains(&argument.get_id().as_str()) && !argument.is_hide_set())
}

fn name_of(argument: &clap::Arg) -> String {
    argument.get_long().map_or_else(|| argument.get_id().as_str().replace('_', "-"), str::to_owned)
}

fn operation(command: &clap::Command) -> Operation {
    Operation {
        name: command.get_name().to_owned(),
        about: command.get_about().map(ToString::to_string).unwrap_or_default(),
        parameters: open_arguments(command).map(parameter).collect(),
    }
}

fn parameter(argument: &clap::Arg) -> Parameter {
    let flag = !argument.is_positional() && !argument.get_action().takes_values();
    let values = if flag { Vec::new() } else { argument.get_possible_values() };
    Parameter {
        name: name_of(argument).replace('-', "_"),
        about: argument.get_help().map(ToString::to_string).unwrap_or_default(),
        required: argument.is_required_set(),
        repeats: matches!(argument.get_action(), clap::ArgAction::Append),
        flag,
        values: values.iter().map(|value| value.get_name().to_owned()).collect(),
        default: argument.get_default_values().first().map(|value| value.to_string_lossy().into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &[(&str, &str)]) -> Vec<(String, String)> {
        text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_query_string_becomes_arguments() {
        let query =
            pairs(&[("machine", "dgx-spark"), ("least_rate", "-1"), ("silent", "on"), ("budget", "")]);
        assert_eq!(
            words("advise", &query).unwrap(),
            ["roofmark", "advise", "--machine=dgx-spark", "--least-rate=-1", "--silent", "--"]
        );
        assert_eq!(words("machines", &pairs(&[("machine", "--help")])).unwrap()[2..], ["--", "--help"]);
    }

    #[test]
    fn files_and_closed_options_are_refused() {
        for (operation, name, value, says) in [
            ("predict", "model", "/etc/x.gguf", "takes models of the catalog"),
            ("predict", "model", "a,b/config.JSON", "takes models of the catalog"),
            ("models", "local", "true", "no parameter `local`"),
            ("cost", "article", "true", "no parameter `article`"),
            ("predict", "ledger", "/tmp/x", "no parameter `ledger`"),
            ("bench", "model", "x", "no question `bench`"),
            ("predict", "depth", "x", "invalid value"),
        ] {
            let refused = parsed(operation, &pairs(&[(name, value)])).unwrap_err();
            assert!(refused.text.contains(says), "{}", refused.text);
        }
    }

    #[test]
    fn a_question_that_asks_too_much_is_refused() {
        let many = vec!["1"; 501].join(",");
        let lent = Lent { place: Place { address: None, durable: false } };
        let refused = lent
            .predict(&pairs(&[("machine", "dgx-spark"), ("model", "llama-3.1-8b"), ("batch", &many)]))
            .unwrap_err();
        assert!(refused.text.contains("501 predictions"), "{}", refused.text);
    }
}
