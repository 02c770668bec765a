#![expect(clippy::needless_pass_by_value, reason = "values are written where they are used")]

use schemars::JsonSchema;
use serde_json::json;

use super::*;
use crate::{
    config::{parse, schema_of},
    pipelines::csv_forecaster::Config,
};

/// The problems of a forecaster's config, each as `pointer: message`.
fn problems(config: Value) -> Vec<String> {
    check(&schema_of::<Config>(), &config).iter().map(ToString::to_string).collect()
}

fn only(config: Value) -> String {
    let mut problems = problems(config);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

/// The problems of a value under a schema of one's own.
fn told(schema: Value, value: Value) -> Vec<String> {
    check(&schema, &value).into_iter().map(|p| format!("{}: {}", p.pointer, p.message)).collect()
}

#[test]
fn the_default_fits_and_is_complete() {
    let with_defaults = |config| serde_json::to_value(parse::<Config>(&config).unwrap()).unwrap();
    let complete = with_defaults(json!({}));
    assert_eq!(problems(complete.clone()), [] as [&str; 0]);
    assert_eq!(complete["training_params"]["seed"], 42);
    assert_eq!(parse::<Config>(&complete).unwrap(), Config::default());
    let some = with_defaults(json!({"training_params": {"epochs": 5}}));
    assert_eq!(
        (&some["training_params"]["epochs"], &some["training_params"]["lr"]),
        (&json!(5), &complete["training_params"]["lr"])
    );
}

#[test]
fn every_keyword_of_the_schema_is_known() {
    assert_eq!(unknown_keywords(&schema_of::<Config>()), [] as [&str; 0]);
}

#[test]
fn numbers() {
    let training = |key: &str, value: Value| only(json!({"training_params": {key: value}}));
    assert_eq!(training("epochs", json!(-1)), "/training_params/epochs: `-1` is below the minimum 1");
    assert_eq!(
        training("epochs", json!(100_001)),
        "/training_params/epochs: `100001` is above the maximum 100000"
    );
    assert_eq!(
        training("epochs", json!(2.5)),
        "/training_params/epochs: expected an integer, found the number 2.5"
    );
    assert_eq!(
        training("epochs", json!(2.0)),
        "/training_params/epochs: expected an integer, found the number 2.0"
    );
    assert_eq!(training("epochs", json!(null)), "/training_params/epochs: expected an integer, found null");
    assert_eq!(
        training("epochs", json!([1, 2])),
        "/training_params/epochs: expected an integer, found a list"
    );
    assert_eq!(
        training("epochs", json!("abc")),
        "/training_params/epochs: expected an integer, found the text \"abc\""
    );
    assert_eq!(
        training("lr", json!("abc")),
        "/training_params/lr: expected a number, found the text \"abc\""
    );
    assert_eq!(training("lr", json!(0)), "/training_params/lr: `0` must be greater than 0");
    assert_eq!(training("lr", json!(1e300)), "/training_params/lr: `1e+300` is above the maximum 10");
    assert_eq!(
        problems(json!({"training_params": {"lr": 1, "seed": 9_007_199_254_740_991_u64}})),
        [] as [&str; 0]
    );
    assert_eq!(
        only(json!({"model_params": {"hidden_size": 1_000_000_000}})),
        "/model_params/hidden_size: `1000000000` is above the maximum 2048"
    );
}

#[test]
fn names() {
    assert_eq!(
        only(json!({"training_params": {"optimizer": "adamm"}})),
        "/training_params/optimizer: `adamm` is not one of the allowed values; did you mean `adam`? \
         allowed: `adam`, `adamw`, `sgd`, `rmsprop`"
    );
    assert_eq!(
        only(json!({"training_params": {"optimizer": 3}})),
        "/training_params/optimizer: expected one of `adam`, `adamw`, `sgd`, `rmsprop`, found the number 3"
    );
    assert_eq!(
        only(json!({"model_params": {"hiden_size": 3}})),
        "/model_params/hiden_size: unknown key `hiden_size`; did you mean `hidden_size`? allowed: `dropout`, \
         `hidden_size`, `horizon`, `interval`, `kind`, `num_heads`, `num_layers`, `sequence_length`"
    );
    assert_eq!(
        only(json!({"a/b~c": 1})),
        "/a~1b~0c: unknown key `a/b~c`; allowed: \
         `data_sourcing`, `feature_engineering`, `model_params`, `training_params`"
    );
    assert_eq!(
        only(json!({"data_sourcing": {"dataset": ""}})),
        "/data_sourcing/dataset: 0 characters are too few; at least 1"
    );
}

#[test]
fn optional_values_and_lists() {
    let stopping = |value: Value| problems(json!({"training_params": {"early_stopping": value}}));
    assert_eq!(stopping(json!(null)), [] as [&str; 0]);
    assert_eq!(stopping(json!({"patience": 3})), [] as [&str; 0]);
    assert_eq!(stopping(json!(true)), ["/training_params/early_stopping: expected an object, found true"]);
    assert_eq!(
        stopping(json!({"patience": 0, "min_delta": "x"})),
        [
            "/training_params/early_stopping/min_delta: expected a number, found the text \"x\"",
            "/training_params/early_stopping/patience: `0` is below the minimum 1",
        ]
    );
    let columns = |value: Value| problems(json!({"feature_engineering": {"feature_cols": value}}));
    assert_eq!(columns(json!(["wind"])), [] as [&str; 0]);
    assert_eq!(
        columns(json!("wind")),
        ["/feature_engineering/feature_cols: expected a list or null, found the text \"wind\""]
    );
    assert_eq!(
        columns(json!(["wind", 2])),
        ["/feature_engineering/feature_cols/1: expected a text, found the number 2"]
    );
    assert_eq!(
        columns(json!(vec!["x"; 1001])),
        ["/feature_engineering/feature_cols: 1001 entries are too many; at most 1000"]
    );
}

#[test]
fn all_problems_at_once() {
    let found = problems(json!({
        "training_params": {"epochs": -1, "lr": "abc", "batch_size": 0},
        "model_params": 7,
        "foo": 1,
    }));
    let pointers: Vec<&str> = found.iter().map(|p| p.split(':').next().unwrap()).collect();
    assert_eq!(
        pointers,
        [
            "/foo",
            "/model_params",
            "/training_params/batch_size",
            "/training_params/epochs",
            "/training_params/lr"
        ]
    );
    assert_eq!(only(json!([])), "expected an object, found a list");
}

#[test]
fn too_deep_or_too_many() {
    let mut deep = json!(1);
    for _ in 0..32 {
        deep = json!([deep]);
    }
    assert_eq!(only(deep.clone()), "it is nested deeper than the 32 levels that are allowed");
    assert_ne!(only(deep[0].clone()), "it is nested deeper than the 32 levels that are allowed");
    assert_eq!(only(json!({"x": vec![0; 10_000]})), "it has more than the 10000 values that are allowed");
    let many: Map<String, Value> = (0..500).map(|i| (format!("key{i}"), json!(0))).collect();
    assert_eq!(problems(Value::Object(many)).len(), 100);
    let long = "é".repeat(100_000);
    assert!(only(json!({"training_params": {"optimizer": long}})).len() < 500);
}

#[test]
fn an_unknown_keyword_is_not_passed_in_silence() {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string", "pattern": "^a"}, "x": {"x-unit": "s"}}});
    assert_eq!(unknown_keywords(&schema), ["/properties/name/pattern"]);
    assert_eq!(
        told(schema, json!({"name": "b"})),
        ["/name: cannot be checked: its schema uses the unknown keyword `pattern`"]
    );
    let nested =
        json!({"anyOf": [{"items": {"not": {}}}, {"additionalProperties": {"$defs": {"a": {"if": true}}}}]});
    let mut unknown = unknown_keywords(&nested);
    unknown.sort();
    assert_eq!(unknown, ["/anyOf/0/items/not", "/anyOf/1/additionalProperties/$defs/a/if"]);
}

#[test]
fn references() {
    let round = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}});
    assert_eq!(told(round, json!(1)), [": the schema refers to itself without end"]);
    assert_eq!(
        told(json!({"$ref": "#/$defs/gone"}), json!(1)),
        [": cannot be checked: its schema refers to \"#/$defs/gone\", which is not there"]
    );
    let tree = json!({"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "additionalProperties": {"$ref": "#/$defs/t"}}}});
    assert_eq!(told(tree, json!({"a": {"b": {"c": 1}}})), ["/a/b/c: expected an object, found the number 1"]);
}

#[test]
fn other_shapes_that_derives_write() {
    /// A choice with contents.
    #[derive(serde::Deserialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum Source {
        File { path: String },
        Random { rows: u8 },
    }
    #[derive(serde::Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Own {
        source: Source,
        weights: std::collections::BTreeMap<String, f32>,
        flag: Option<bool>,
    }
    let schema = schema_of::<Own>();
    assert_eq!(unknown_keywords(&schema), [] as [&str; 0]);
    let told = |value| told(schema.clone(), value);
    assert_eq!(
        told(json!({"source": {"kind": "random", "rows": 3}, "weights": {"a": 1.5}})),
        [] as [&str; 0]
    );
    assert_eq!(
        told(json!({"source": {"kind": "random", "rows": 256}, "weights": {}})),
        ["/source/rows: `256` is above the maximum 255"]
    );
    assert_eq!(
        told(json!({"source": {"kind": "file"}, "weights": {}})),
        ["/source: the key `path` is missing"]
    );
    assert_eq!(
        told(json!({"weights": {"a": "x"}, "flag": 1})),
        [
            ": the key `source` is missing",
            "/flag: expected true or false or null, found the number 1",
            "/weights/a: expected a number, found the text \"x\"",
        ]
    );
}
