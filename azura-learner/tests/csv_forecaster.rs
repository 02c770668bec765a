//! The pipeline `csv_forecaster` as other programs run it: a config in, files and figures out.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

use azura_learner::{
    PipelineError, ProgressEvent, Registry, RunCx, Sources, StateDict,
    data::{DatasetFile, Datasets},
    results::{ForecastResults, Results},
};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

fn config(training: &Value, data: &Value) -> Value {
    let mut config = json!({
        "pipeline_name": "csv_forecaster",
        "data_sourcing": data,
        "model_params": {"sequence_length": 20, "hidden_size": 48},
        "training_params": {"epochs": 2},
    });
    config["training_params"].as_object_mut().unwrap().extend(training.as_object().unwrap().clone());
    config
}

fn weather(training: &Value) -> Value {
    config(training, &json!({"dataset": "seattle-weather"}))
}

fn run(config: &Value, out: &Path) -> Result<Results, PipelineError> {
    Registry::builtin().run(config, &mut RunCx::new(out, &Sources::default()))
}

#[test]
fn what_the_data_say_is_told_beside_what_is_wrong_elsewhere() {
    let told = |config: Value| -> Vec<String> {
        let mut config = config;
        config["pipeline_name"] = "csv_forecaster".into();
        let error = Registry::builtin().check(&config, &Sources::default()).unwrap_err();
        error.problems().into_iter().map(|problem| problem.pointer).collect()
    };
    let (lr, target) = ("/training_params/lr", "/feature_engineering/target_col");
    let wrong = json!({"target_col": "no", "feature_cols": ["temp_max", "neither"]});
    assert_eq!(
        told(json!({"training_params": {"lr": -1}, "feature_engineering": wrong})),
        [lr, target, "/feature_engineering/feature_cols/1"]
    );
    assert_eq!(
        told(json!({"training_params": {"lr": -1}, "data_sourcing": {"dataset": "nothing"}})),
        [lr, "/data_sourcing/dataset"]
    );
    assert_eq!(
        told(json!({"training_params": {"lr": -1}, "model_params": {"sequence_length": 5000}})),
        [lr, "/model_params/sequence_length"]
    );
    let blind = json!({"lr": -1, "validation_size": 0, "early_stopping": {}});
    assert_eq!(told(json!({"training_params": blind})), [lr, "/training_params/early_stopping"]);
    // What hangs on something that is wrong is not guessed at: which data, which columns, and how long the parts would be.
    assert_eq!(
        told(json!({"data_sourcing": {"dataset": 7}, "feature_engineering": wrong})),
        ["/data_sourcing/dataset"]
    );
    assert_eq!(
        told(json!({"data_sourcing": {"datset": "sunspots"}, "feature_engineering": wrong})),
        ["/data_sourcing/datset"]
    );
    assert_eq!(
        told(json!({"feature_engineering": {"target_col": "no", "feature_cols": ["neither", 7]}})),
        ["/feature_engineering/feature_cols/1", target]
    );
    assert_eq!(
        told(json!({"training_params": {"test_size": 2}, "model_params": {"sequence_length": 5000}})),
        ["/training_params/test_size"]
    );
    assert_eq!(
        told(
            json!({"model_params": {"sequence_length": "long"}, "feature_engineering": {"target_col": "no"}})
        ),
        ["/model_params/sequence_length", target]
    );
}

#[test]
fn a_run_leaves_results_model_and_report() {
    let out = tempfile::tempdir().unwrap();
    let results = run(&weather(&json!({"epochs": 3, "validate_every": 2})), out.path()).unwrap();

    let written: Results =
        serde_json::from_slice(&fs::read(out.path().join("results.json")).unwrap()).unwrap();
    assert_eq!(written, results);
    assert_eq!(results.history.epochs(), 3);
    let validated: Vec<_> = results.history.get("val_loss").iter().map(Option::is_some).collect();
    assert_eq!(validated, [false, true, true], "every second epoch, and the last");
    let forecast: ForecastResults = results.extra_as().unwrap();
    assert_eq!(forecast.y_true.len(), forecast.y_pred.len());
    assert_eq!(forecast.y_true.len(), forecast.time_index.len());
    assert_eq!(forecast.target_col, "temp_max");

    let state = StateDict::from_bytes(&fs::read(out.path().join("model.safetensors")).unwrap()).unwrap();
    let names: Vec<_> = state.names().collect();
    assert_eq!(names, ["0.bias", "0.weight_hh", "0.weight_ih", "2.bias", "2.weight"]);
    assert_eq!(state.get("0.weight_hh").unwrap().0, [4 * 48, 48]);

    let report = fs::read_to_string(out.path().join("report.md")).unwrap();
    for image in ["images/loss.svg", "images/forecast.svg"] {
        assert!(report.contains(&format!("({image})")));
        assert!(fs::read_to_string(out.path().join(image)).unwrap().starts_with("<svg"));
    }
}

#[test]
fn equal_seeds_give_equal_bytes_whatever_the_number_of_threads() {
    let bytes = |threads: usize, seed: u64| {
        let out = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&weather(&json!({ "seed": seed })), out.path())).unwrap();
        [
            "results.json",
            "model.safetensors",
            "inputs.json",
            "last_rows.json",
            "report.md",
            "images/loss.svg",
            "images/forecast.svg",
        ]
        .map(|name| fs::read(out.path().join(name)).unwrap())
    };
    let one = bytes(1, 42);
    for threads in [1, 2, 4] {
        assert!(bytes(threads, 42) == one, "{threads} threads");
    }
    assert!(bytes(1, 43)[1] != one[1], "another seed gives other weights");
}

#[test]
fn watchers_hear_of_every_epoch_with_the_validation_in_real_units() {
    let out = tempfile::tempdir().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    let sources = Sources::default();
    let mut cx = RunCx::new(out.path(), &sources).publish(move |event| {
        if let ProgressEvent::Epoch { .. } = event {
            hear.lock().unwrap().push(serde_json::to_value(event).unwrap());
        }
    });
    Registry::builtin().run(&weather(&json!({"epochs": 3, "validate_every": 3})), &mut cx).unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 3);
    assert_eq!(heard[0]["pipeline_name"], "csv_forecaster");
    assert!(heard[0].get("validation_data").is_none());
    let shown = &heard[2]["validation_data"];
    let lengths = ["x_axis", "y_true", "y_pred"].map(|key| shown[key].as_array().unwrap().len());
    assert!(lengths[0] > 50 && lengths[0] <= 500 && lengths[1] == lengths[0] && lengths[2] == lengths[0]);
    // Each point is what the file says of that day, in degrees Celsius.
    let file = include_str!("../data/seattle-weather.csv");
    for (day, value) in shown["x_axis"].as_array().unwrap().iter().zip(shown["y_true"].as_array().unwrap()) {
        let day = day.as_str().unwrap()[..10].replace('-', "/");
        let row = file.lines().find(|line| line.starts_with(&day)).unwrap();
        assert_eq!(row.split(',').nth(2).unwrap().parse::<Value>().unwrap(), *value, "{day}");
    }
}

#[test]
fn a_cancelled_run_says_so_and_writes_no_results() {
    let out = tempfile::tempdir().unwrap();
    let polls = AtomicUsize::new(0);
    let sources = Sources::default();
    let mut cx =
        RunCx::new(out.path(), &sources).cancelled(move || polls.fetch_add(1, Ordering::Relaxed) >= 40);
    let error = Registry::builtin().run(&weather(&json!({"epochs": 1000})), &mut cx).unwrap_err();
    assert!(matches!(error, PipelineError::Cancelled));
    assert_eq!(left(out.path()), [""; 0]);
}

#[test]
fn a_run_can_still_be_cancelled_while_it_is_judged() {
    let out = tempfile::tempdir().unwrap();
    let trained = Arc::new(AtomicUsize::new(0));
    let (count, told) = (Arc::clone(&trained), Arc::clone(&trained));
    let sources = Sources::default();
    // From the end of the only epoch on.
    let mut cx = RunCx::new(out.path(), &sources)
        .publish(move |event| {
            if let ProgressEvent::Epoch { .. } = event {
                count.fetch_add(1, Ordering::Relaxed);
            }
        })
        .cancelled(move || told.load(Ordering::Relaxed) == 1);
    let error = Registry::builtin().run(&weather(&json!({"epochs": 1})), &mut cx).unwrap_err();
    assert!(matches!(error, PipelineError::Cancelled));
    assert_eq!((left(out.path()).len(), trained.load(Ordering::Relaxed)), (0, 1));
}

#[test]
fn early_stopping_ends_a_run_that_no_longer_improves() {
    let out = tempfile::tempdir().unwrap();
    // With no learning rate to speak of nothing improves by as much as 1.
    let stopping = json!({"epochs": 50, "lr": 1e-9, "early_stopping": {"patience": 3, "min_delta": 1.0}});
    let results = run(&weather(&stopping), out.path()).unwrap();
    assert_eq!(results.history.epochs(), 4);
}

#[test]
fn a_file_is_for_those_who_own_the_machine() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("mine.csv");
    let mut rows = String::from("day,sales\n");
    for day in 0..400 {
        writeln!(rows, "{},{}", date(day), 100 + day % 7).unwrap();
    }
    fs::write(&file, &rows).unwrap();
    let with_file = config(&json!({}), &json!({"file": file.to_str().unwrap()}));

    let error = run(&with_file, out.path()).unwrap_err();
    assert_eq!(error.code(), "CONFIG_INVALID");
    assert!(error.to_string().contains("/data_sourcing/file"), "{error}");

    let sources = Sources::default().allow_files();
    let results = Registry::builtin().run(&with_file, &mut RunCx::new(out.path(), &sources)).unwrap();
    assert_eq!(results.extra_as::<ForecastResults>().unwrap().target_col, "sales");

    // A cell that is no number is named by its line, column and text.
    let line = "2020-01-06,105";
    assert_eq!(rows.lines().position(|found| found == line), Some(6), "line 7, counted from 1");
    for broken in ["abc", "NaN", ""] {
        fs::write(&file, rows.replacen(line, &format!("2020-01-06,{broken}"), 1)).unwrap();
        let error = Registry::builtin().run(&with_file, &mut RunCx::new(out.path(), &sources)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("line 7") && text.contains("`sales`") && text.contains(broken), "{text}");
    }
}

/// The data set `sales` of so many days.
fn sales(days: i16, value: impl Fn(i16) -> f64) -> Sources {
    let mut rows = String::from("day,sales\n");
    for day in 0..days {
        writeln!(rows, "{},{}", date(day), value(day)).unwrap();
    }
    Sources::new(Datasets::empty().with(DatasetFile::new("sales", rows.into_bytes())))
}

#[test]
fn nothing_of_the_test_part_reaches_the_model() {
    // Of 400 rows the newest 20 % are the test part: those from 320 on.
    let trained = |spoil: f64| {
        let value =
            |day: i16| f64::from(100 + day % 7) + if day < 320 { 0.0 } else { spoil * f64::from(day) };
        let sources = sales(400, value);
        let out = tempfile::tempdir().unwrap();
        let config = config(&json!({"early_stopping": {}}), &json!({"dataset": "sales"}));
        let results = Registry::builtin().run(&config, &mut RunCx::new(out.path(), &sources)).unwrap();
        let files = ["model.safetensors", "inputs.json"].map(|name| fs::read(out.path().join(name)).unwrap());
        (files, results)
    };
    let ((clean, results), (spoiled, spoiled_results)) = (trained(0.0), trained(13.0));
    assert!(clean == spoiled);
    assert_eq!(results.history, spoiled_results.history);
    // And it was spoiled.
    assert!(spoiled_results.figure("rmse") > results.figure("rmse").map(|rmse| 100.0 * rmse));
}

#[test]
fn a_test_loss_that_is_not_finite_is_no_result() {
    // Rows of 0 and 1, the last of them far away: within f32 when scaled, but not when squared.
    let sources = sales(200, |day| if day < 199 { f64::from(day % 2) } else { 1e30 });
    let out = tempfile::tempdir().unwrap();
    let config = config(&json!({"validation_size": 0}), &json!({"dataset": "sales"}));
    let error = Registry::builtin().run(&config, &mut RunCx::new(out.path(), &sources)).unwrap_err();
    assert_eq!(error.code(), "PIPELINE_EXECUTION_ERROR");
    assert!(error.to_string().starts_with("the test loss is inf"), "{error}");
    assert_eq!(left(out.path()), [""; 0]);
}

/// What a run that gave no results has left, beside its checkpoints.
fn left(out: &Path) -> Vec<String> {
    let names = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "checkpoints").collect()
}

/// The `n`th day of 2020 and 2021.
fn date(n: i16) -> String {
    let (year, day) = if n < 366 { (2020, n) } else { (2021, n - 366) };
    let months = [31, if year == 2020 { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut rest = day;
    for (month, length) in months.into_iter().enumerate() {
        if rest < length {
            return format!("{year}-{:02}-{:02}", month + 1, rest + 1);
        }
        rest -= length;
    }
    unreachable!("days within the two years")
}

#[test]
fn a_long_training_shows_some_of_its_validations() {
    let (out, sources) = (tempfile::tempdir().unwrap(), Sources::default());
    let shown = Arc::new(Mutex::new(Vec::new()));
    let show = Arc::clone(&shown);
    let mut cx = RunCx::new(out.path(), &sources).publish(move |event| {
        if let ProgressEvent::Epoch { epoch, validation_data, metrics, .. } = event {
            assert!(metrics["val_loss"].is_finite());
            if validation_data.is_some() {
                show.lock().unwrap().push(*epoch);
            }
        }
    });
    let mut config = weather(&json!({"epochs": 501, "batch_size": 4096}));
    config["model_params"] = json!({"sequence_length": 1, "hidden_size": 1});
    Registry::builtin().run(&config, &mut cx).unwrap();
    // 501 / 200, rounded up, is 3: the first, every third, and the last.
    let expected: Vec<usize> = [1].into_iter().chain((3..=501).step_by(3)).collect();
    assert_eq!(*shown.lock().unwrap(), expected);
}

#[test]
fn a_target_that_never_changes_is_told_as_it_is() {
    let (out, sources) = (tempfile::tempdir().unwrap(), sales(400, |_| 7.0));
    let config = config(&json!({"epochs": 1}), &json!({"dataset": "sales"}));
    Registry::builtin().run(&config, &mut RunCx::new(out.path(), &sources)).unwrap();
    let report = fs::read_to_string(out.path().join("report.md")).unwrap();
    assert!(report.contains("persistence, which makes no error here"), "{report}");
}
