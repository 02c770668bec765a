//! The OpenAPI document says what the server does.

use std::collections::BTreeSet;

use crate::common::Server;
use serde_json::{Value, json};

const JSON: [&str; 1] = ["Content-Type: application/json"];

#[tokio::test]
async fn every_route_is_in_the_document_and_answers_as_it_says() {
    let server = Server::start().await;
    let task = server.submit(json!({"pipeline_name": "echo", "text": "# x"})).await;
    server.ended(&task).await;
    let document = server.get("/api/v1/openapi.json").await;
    assert_eq!(document.header("content-type"), Some("application/json"));
    let document = document.json();
    assert_eq!(document["info"]["title"], "AzuraForge");

    let mut operations = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.insert(format!("{} {path}", method.to_uppercase()));
            let id = if path.contains("/pipelines/") { "echo" } else { &task };
            let address = path.replace("{id}", id).replace("{name}", "dot.svg");
            let answer = match method.as_str() {
                // The one that does not end. What it says is seen elsewhere.
                "get" if path == "/api/v1/events" => {
                    let promised = &operation["responses"]["200"]["content"];
                    assert!(promised["text/event-stream"]["schema"].is_object(), "{promised}");
                    continue;
                }
                "get" => server.get(&address).await,
                "delete" => {
                    let other = server.submit(json!({"pipeline_name": "echo"})).await;
                    server.ended(&other).await;
                    server.send("DELETE", &address.replace(&task, &other), &[], b"").await
                }
                "patch" => server.send("PATCH", &address, &JSON, b"{}").await,
                _ => server.post(&address, &json!({"pipeline_name": "echo"})).await,
            };
            let responses = &operation["responses"];
            let promised = responses.get(answer.status.to_string()).unwrap_or(&responses["default"]);
            match answer.header("content-type") {
                None => {
                    assert!(answer.body.is_empty() && promised.is_object(), "{method} {path}: {answer:?}");
                }
                Some(content) => {
                    let promised = &promised["content"];
                    let media = promised.get(content).unwrap_or(&promised["*/*"]);
                    let schema = &media["schema"];
                    let status = answer.status;
                    assert!(schema.is_object(), "{method} {path}: {status} {content} is not in {promised}");
                    if content.starts_with("application/json") {
                        conforms(&document, schema, &answer.json(), &format!("{method} {path}"));
                    }
                }
            }
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");

            let missing = path.replace("{id}", "nothing").replace("{name}", "nothing.svg");
            if missing != *path {
                let answer = server.send(&method.to_uppercase(), &missing, &JSON, b"{}").await;
                assert_eq!(answer.status, 404, "{missing}");
                let schema = &operation["responses"]["default"]["content"]["application/json; charset=utf-8"]
                    ["schema"];
                conforms(&document, schema, &answer.json(), &missing);
            }
        }
    }
    let expected = [
        "DELETE /api/v1/experiments/{id}",
        "GET /api/v1/events",
        "GET /api/v1/experiments",
        "GET /api/v1/experiments/{id}/archive",
        "GET /api/v1/experiments/{id}/details",
        "GET /api/v1/experiments/{id}/events",
        "GET /api/v1/experiments/{id}/files",
        "GET /api/v1/experiments/{id}/files/images/{name}",
        "GET /api/v1/experiments/{id}/files/{name}",
        "GET /api/v1/experiments/{id}/history",
        "GET /api/v1/experiments/{id}/report/content",
        "GET /api/v1/experiments/{id}/report/html",
        "GET /api/v1/experiments/{id}/report/images/{name}",
        "GET /api/v1/pipelines",
        "GET /api/v1/pipelines/{id}/config",
        "GET /api/v1/version",
        "GET /healthz",
        "PATCH /api/v1/experiments/{id}",
        "POST /api/v1/experiments",
        "POST /api/v1/experiments/{id}/cancel",
        "POST /api/v1/experiments/{id}/predict",
        "POST /api/v1/experiments/{id}/rerun",
        "POST /api/v1/experiments/{id}/resume",
        "POST /api/v1/pipelines/{id}/choices",
        "POST /api/v1/pipelines/{id}/validate",
    ];
    assert_eq!(operations, expected.map(str::to_owned).into());
}

/// A small part of JSON Schema, the one that the document uses.
fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema =
            document.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{at}: no {name}"));
        return conforms(document, schema, value, at);
    }
    for schema in schema["allOf"].as_array().into_iter().flatten() {
        conforms(document, schema, value, at);
    }
    match schema["type"].as_str() {
        Some("array") => {
            for (i, item) in value.as_array().unwrap_or_else(|| panic!("{at} is no array")).iter().enumerate()
            {
                conforms(document, &schema["items"], item, &format!("{at}/{i}"));
            }
        }
        Some("object") if schema["properties"].is_object() => {
            let object = value.as_object().unwrap_or_else(|| panic!("{at} is no object"));
            let properties = schema["properties"].as_object().unwrap();
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(object.contains_key(name.as_str().unwrap()), "{at} lacks {name}");
            }
            for (name, value) in object {
                let schema =
                    properties.get(name).unwrap_or_else(|| panic!("{at}/{name} is not in the document"));
                let required =
                    schema["required"].as_array().is_some_and(|names| names.contains(&json!(name)));
                if !value.is_null() || required {
                    conforms(document, schema, value, &format!("{at}/{name}"));
                }
            }
        }
        Some("string") => assert!(value.is_string(), "{at} is no string: {value}"),
        Some("integer") => assert!(value.is_u64() || value.is_i64(), "{at} is no integer: {value}"),
        Some("number") => assert!(value.is_number(), "{at} is no number: {value}"),
        _ => {}
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at}: {value} is none of {allowed:?}");
    }
}
