//! The frame of every page, and the pieces that forms are made of.

pub mod advise;
pub mod answer;
pub mod check;
pub mod compare;
pub mod cost;
pub mod explorer;
pub mod lab;
pub mod live;
pub mod load;
pub mod machines;
pub mod record;
pub mod results;
pub mod trend;

use crate::api::Pairs;
use crate::assets::{self, address};
use crate::filter::{value, values};
use crate::program::Refused;
use crate::serve::Site;
use answer::show;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Views with their addresses.
const VIEWS: [(&str, &str); 7] = [
    ("/machines", "Machines"),
    ("/explorer", "Explorer"),
    ("/results", "Results"),
    ("/check", "Check"),
    ("/advise", "Advise"),
    ("/cost", "Cost"),
    ("/live", "Live"),
];

/// What a form asks for, worked out when the page is on its way.
pub type Answer<'a> = Box<dyn FnOnce() -> Result<Markup, Refused> + 'a>;

/// A page before its frame.
pub struct View<'a> {
    /// Address of the view in the navigation.
    pub at: &'static str,
    /// Title.
    pub title: String,
    /// What the view answers.
    pub lead: &'static str,
    /// Its form.
    pub form: Markup,
    /// What the form asks for.
    pub result: Answer<'a>,
}

/// `/`: the machines.
pub async fn home() -> Redirect {
    Redirect::temporary("/machines")
}

/// Any address that is not known.
pub async fn missing(State(site): State<Arc<Site>>) -> Response {
    let view = View {
        at: "",
        title: "Not found".into(),
        lead: "There is no such page. The views are in the list above.",
        form: html! {},
        result: Box::new(|| Err(Refused::missing("no page has this address"))),
    };
    framed(&site, view)
}

fn status(refused: &Refused) -> StatusCode {
    StatusCode::from_u16(refused.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A whole page. Blocks until its result is there.
pub fn framed(site: &Site, view: View<'_>) -> Response {
    let start = start(site, &view);
    let result = (view.result)();
    let status = result.as_ref().err().map_or(StatusCode::OK, status);
    answer::page(status, start.0 + &end(site, &result).0)
}

/// A page up to its result. What is open here is closed in [`end`].
fn start(site: &Site, view: &View<'_>) -> Markup {
    html! {
        (DOCTYPE)
        (PreEscaped("<html lang=\"en\">"))
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (view.title) " · Roofmark" }
            link rel="icon" href="/assets/icon.svg";
            link rel="stylesheet" href=(address("uplot.css", assets::CHARTS_STYLE));
            link rel="stylesheet" href=(address("page.css", assets::STYLE));
            script defer src=(address("uplot.js", assets::CHARTS)) {}
            script defer src=(address("page.js", assets::SCRIPT)) {}
        }
        (PreEscaped("<body>"))
        a.skip href="#main" { "Skip to the content" }
        header.top {
            a.brand href="/machines" { "Roofmark" }
            nav aria-label="Views" { ul {
                @for (at, name) in VIEWS.iter().copied().chain(site.lab.then_some(("/lab", "Lab"))) {
                    li { a href=(at) aria-current=[(at == view.at).then_some("page")] { (name) } }
                }
            } }
        }
        (PreEscaped("<main id=\"main\">"))
        h1 { (view.title) }
        p.lead { (view.lead) }
        (view.form)
        (PreEscaped("<section id=\"result\" data-testid=\"result\" aria-label=\"Result\">"))
        p.working { "Working it out …" }
    }
}

/// The rest of a page.
fn end(site: &Site, result: &Result<Markup, Refused>) -> Markup {
    html! { (outcome(result)) (PreEscaped("</section></main>")) (foot(site)) (PreEscaped("</body></html>")) }
}

/// The result, or why there is none.
fn outcome(result: &Result<Markup, Refused>) -> Markup {
    match result {
        Ok(markup) => markup.clone(),
        Err(refused) => html! { p.error role="alert" data-testid="error" { (refused.text) } },
    }
}

fn foot(site: &Site) -> Markup {
    html! {
        footer {
            p {
                (site.program.tool()) ". Every number says what it is: "
                b { "M" } " measured, " b { "D" } " datasheet, " b { "P" } " predicted with its interval, "
                b { "=" } " derived, " b { "G" } " given, " b { "A" } " assumed, " b { "C" } " claimed. "
                a href="/api/openapi.json" { "JSON interface" } ". Nothing here is loaded from elsewhere."
            }
            p #said role="status" aria-live="polite" {}
        }
    }
}

/// A form whose result follows its fields.
pub fn form(action: &str, fields: &Markup) -> Markup {
    html! {
        form.ask method="get" action=(action) data-live="" data-testid="form" {
            div.fields { (fields) }
            p.go { button type="submit" { "Show" } }
        }
    }
}

/// A choice of one.
pub struct Choice<'a> {
    /// Name of the field.
    pub name: &'a str,
    /// Label.
    pub label: &'a str,
    /// Values with what is shown of them.
    pub options: Vec<(String, String)>,
    /// More of them below a heading, such as a vendor.
    pub groups: Vec<(String, Vec<(String, String)>)>,
    /// The value that is chosen.
    pub chosen: String,
    /// Moved by a slider too.
    pub slider: bool,
}

impl<'a> Choice<'a> {
    /// A choice of plain values. One that was asked for and is not among them is added.
    pub fn new(name: &'a str, label: &'a str, options: &[&str], chosen: &str) -> Self {
        let shown = |text: &str| if text.is_empty() { "any".to_owned() } else { text.to_owned() };
        let mut options: Vec<_> = options.iter().map(|&text| (text.to_owned(), shown(text))).collect();
        if !options.iter().any(|(value, _)| value == chosen) {
            options.push((chosen.to_owned(), chosen.to_owned()));
        }
        Self { name, label, options, chosen: chosen.to_owned(), groups: Vec::new(), slider: false }
    }

    /// With a slider.
    pub fn slider(self) -> Self {
        Self { slider: true, ..self }
    }

    fn offered(&self, options: &[(String, String)]) -> Markup {
        html! { @for (value, shown) in options { option value=(value) selected[*value == self.chosen] { (shown) } } }
    }

    /// The field.
    pub fn render(&self) -> Markup {
        let id = format!("field-{}", self.name);
        html! {
            div.field.slider[self.slider] {
                label for=(id) { (self.label) }
                @if self.slider { span.track {} }
                select id=(id) name=(self.name) data-slider[self.slider] {
                    (self.offered(&self.options))
                    @for (heading, options) in &self.groups { optgroup label=(heading) { (self.offered(options)) } }
                }
            }
        }
    }
}

/// A field for a text or a number.
pub fn input(query: &crate::Pairs, name: &str, label: &str, hint: &str) -> Markup {
    let id = format!("field-{name}");
    html! {
        div.field {
            label for=(id) { (label) }
            input id=(id) name=(name) value=(value(query, name).unwrap_or_default()) placeholder=(hint)
                autocomplete="off" spellcheck="false";
        }
    }
}

/// A box to tick.
pub fn tick(query: &crate::Pairs, name: &str, label: &str) -> Markup {
    let id = format!("field-{name}");
    html! {
        div.field.tick {
            input type="checkbox" id=(id) name=(name) value="true" checked[value(query, name).is_some()];
            label for=(id) { (label) }
        }
    }
}

/// The fields of `query` that say something: a form sends the empty ones too.
pub fn filled(query: &[(String, String)]) -> Vec<(String, String)> {
    query.iter().filter(|(_, value)| !value.is_empty()).cloned().collect()
}

/// The choice of a machine, by vendor. `name` may be spelled in any usual way; `none` is offered first where it is a text.
pub fn machine_choice<'a>(
    site: &Site,
    field: &'a str,
    label: &'a str,
    name: &str,
    none: Option<&str>,
) -> Choice<'a> {
    let found = site.program.machine(name).map_or(name, |machine| machine.slug.as_str());
    let machines = site.program.catalog().machines.iter();
    let all = machines.map(|machine| (machine.vendor.as_str(), machine.slug.as_str(), machine.name.as_str()));
    grouped(field, label, found, none, all)
}

/// The choice of a model, by maker.
pub fn model_choice<'a>(
    site: &Site,
    field: &'a str,
    label: &'a str,
    name: &str,
    none: Option<&str>,
) -> Choice<'a> {
    let found = site.program.model(name).map_or(name, |model| model.slug.as_str());
    let models = site.program.catalog().models.iter();
    let all = models.map(|model| (model.maker.as_str(), model.slug.as_str(), model.name.as_str()));
    grouped(field, label, found, none, all)
}

fn grouped<'a, 'b>(
    field: &'a str,
    label: &'a str,
    chosen: &str,
    none: Option<&str>,
    all: impl Iterator<Item = (&'b str, &'b str, &'b str)>,
) -> Choice<'a> {
    let mut groups: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (heading, value, shown) in all {
        groups.entry(heading.to_owned()).or_default().push((value.to_owned(), shown.to_owned()));
    }
    let known = groups.values().flatten().any(|(value, _)| value == chosen);
    let mut options: Vec<_> = none.map(|text| (String::new(), text.to_owned())).into_iter().collect();
    if !known && !chosen.is_empty() {
        options.push((chosen.to_owned(), chosen.to_owned()));
    }
    Choice { options, groups: groups.into_iter().collect(), ..Choice::new(field, label, &[], chosen) }
}

/// Boxes for several machines.
pub fn machine_boxes(site: &Site, chosen: &[String]) -> Markup {
    html! {
        details.boxes {
            summary { "Machines (" (chosen.len()) " chosen)" }
            fieldset {
                legend { "Machines to compare" }
                @for machine in &site.program.catalog().machines {
                    label.box {
                        input type="checkbox" name="machine" value=(machine.slug) checked[chosen.contains(&machine.slug)];
                        " " (machine.name)
                    }
                }
            }
        }
    }
}

/// What was asked for under `name`, or `usual`.
pub fn asked(query: &crate::Pairs, name: &str, usual: &str) -> String {
    value(query, name).unwrap_or(usual).to_owned()
}

/// All that was asked for under `name`, or `usual`.
pub fn asked_all(query: &crate::Pairs, name: &str, usual: &[&str]) -> Vec<String> {
    let found = values(query, name);
    if found.is_empty() { usual.iter().map(|&text| text.to_owned()).collect() } else { found }
}

/// Pairs from words.
pub fn pairs(words: &[(&str, &str)]) -> Vec<(String, String)> {
    words.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A button that opens the same question as JSON.
pub fn as_json(path: &str) -> Markup {
    html! { p.json { a href=(path) data-testid="as-json" { "This as JSON" } } }
}

/// The query string of `pairs`.
pub fn query_string(pairs: &crate::Pairs) -> String {
    let part = |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
    pairs.iter().map(part).collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
