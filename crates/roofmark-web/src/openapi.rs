//! The description of the JSON interface (OpenAPI 3.1): made from the options of the commands themselves.

use crate::filter::KNOWN;
use crate::lab::SUBMIT_PATH;
use crate::program::{Operation, Parameter};
use crate::serve::Site;
use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `GET /api/openapi.json`.
pub async fn document(State(site): State<Arc<Site>>) -> Json<Value> {
    Json(describe(site.program.tool(), &site.program.operations()))
}

/// The description of `operations` and of what the ledger answers.
pub fn describe(tool: &str, operations: &[Operation]) -> Value {
    let mut paths = Map::new();
    for operation in operations {
        let parameters: Vec<Value> = operation.parameters.iter().map(parameter).collect();
        paths
            .insert(format!("/api/{}", operation.name), json!({ "get": get(&operation.about, &parameters) }));
    }
    for (path, method, about, parameters, body) in FIXED {
        let parameters: Vec<Value> = parameters.iter().map(|name| named(name, path)).collect();
        let mut answer = get(about, &parameters);
        if !body.is_empty() {
            answer["requestBody"] =
                json!({ "required": true, "content": { (*body): { "schema": { "type": "string" } } } });
        }
        if path.ends_with("/retract") {
            answer["security"] = json!([{ "token": [] }]);
        }
        paths.insert((*path).to_owned(), json!({ (*method): answer }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Roofmark",
            "version": tool.rsplit(' ').next().unwrap_or_default(),
            "description": "The records that the commands of Roofmark print with --json. Every number says what it is: \
                measured, datasheet, predicted with an interval, or claimed.",
        },
        "paths": paths,
        "components": { "securitySchemes": { "token": {
            "type": "http", "scheme": "bearer", "description": "The token that `roofmark serve` prints at its start.",
        } } },
    })
}

/// Path, method, meaning, parameters, type of the body.
type Fixed = (&'static str, &'static str, &'static str, &'static [&'static str], &'static str);

/// Routes that are no command's options.
pub const FIXED: &[Fixed] = &[
    ("/api/check", "post", "Say whether the rates that a text claims are possible.", &[], "text/plain"),
    ("/api/results", "get", "List records of the ledger, newest first.", KNOWN, ""),
    (
        "/api/results/{record}",
        "get",
        "One record: a place (12), digits of its identity, or `latest`.",
        &["record"],
        "",
    ),
    (
        "/api/results/{record}/retract",
        "post",
        "Withdraw a record; the body is the reason. Needs the token.",
        &["record"],
        "text/plain",
    ),
    ("/api/names", "get", "Names that occur in the ledger.", &[], ""),
    ("/api/compare", "get", "Compare two records, workload by workload.", &["base", "new"], ""),
    (
        "/api/trend",
        "get",
        "Follow a record's configurations, or those of a filter, over dates and versions.",
        &["record", "machine", "backend", "engine", "model", "quant"],
        "",
    ),
    ("/api/reproductions", "get", "Configurations that several keys have measured.", &[], ""),
    ("/api/live", "get", "Progress of a running bench, as server-sent events.", &[], ""),
    (SUBMIT_PATH, "post", "Hand in a signed bundle; its keys have to be known.", &[], "application/x-ndjson"),
    ("/api/openapi.json", "get", "This description.", &[], ""),
];

fn get(about: &str, parameters: &[Value]) -> Value {
    let kind = if about.contains("server-sent") { "text/event-stream" } else { "application/json" };
    json!({
        "summary": about,
        "parameters": parameters,
        "responses": {
            "200": { "description": "The answer.", "content": { (kind): {} } },
            "default": {
                "description": "The question is refused.",
                "content": { "application/json": { "schema": {
                    "type": "object", "properties": { "error": { "type": "string" } }, "required": ["error"],
                } } },
            },
        },
    })
}

fn named(name: &str, path: &str) -> Value {
    let in_path = path.contains(&format!("{{{name}}}"));
    json!({
        "name": name, "in": if in_path { "path" } else { "query" }, "required": in_path,
        "schema": { "type": "string" },
    })
}

fn parameter(parameter: &Parameter) -> Value {
    let mut schema = if parameter.flag { json!({ "type": "boolean" }) } else { json!({ "type": "string" }) };
    if !parameter.values.is_empty() {
        schema["enum"] = json!(parameter.values);
    }
    if let (Some(default), false) = (&parameter.default, parameter.flag) {
        schema["default"] = json!(default);
    }
    if parameter.repeats {
        schema = json!({ "type": "array", "items": schema });
    }
    json!({
        "name": parameter.name, "in": "query", "description": parameter.about, "required": parameter.required,
        "schema": schema,
    })
}
