//! What forecasters of every kind give, and what a run that has ended forecasts.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

use azura_learner::{
    PipelineError, Prediction, Registry, RunCx, SavedRun, Sources, StateDict,
    data::{DataError, DataSource, DatasetFile, Datasets, WeatherRequest},
    results::{ForecastResults, Results},
};
use serde_json::{Map, Value, json};
use std::{fmt::Write as _, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

const DAYS: usize = 260;

/// Two columns that nothing but the row's number makes.
fn values(row: usize) -> [f64; 2] {
    let x = row as f64;
    [50.0 + 0.3 * x + 9.0 * (x * 0.9).sin(), 5.0 + (x * 0.4).cos()]
}

/// The working days from 3 January 2022, a Monday, on.
fn days(n: usize) -> Vec<jiff::civil::Date> {
    let first = jiff::civil::date(2022, 1, 3);
    (0..n as i64).map(|i| first + jiff::Span::new().days(i / 5 * 7 + i % 5)).collect()
}

fn sources() -> Sources {
    let mut csv = String::from("day,sales,visits\n");
    for (row, day) in days(DAYS).into_iter().enumerate() {
        let [sales, visits] = values(row);
        writeln!(csv, "{day},{sales},{visits}").unwrap();
    }
    Sources::new(Datasets::empty().with(DatasetFile::new("shop", csv.into_bytes())))
}

fn config(change: &Value) -> Value {
    let mut config = json!({
        "pipeline_name": "csv_forecaster",
        "data_sourcing": {"dataset": "shop"},
        "feature_engineering": {"target_col": "sales", "calendar": false},
        "model_params": {"sequence_length": 4, "hidden_size": 3},
        "training_params": {"epochs": 2},
    });
    for (group, keys) in change.as_object().unwrap() {
        config[group].as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    }
    config
}

fn run(config: &Value, sources: &Sources) -> (TempDir, Results) {
    let out = tempfile::tempdir().unwrap();
    let results = Registry::builtin().run(config, &mut RunCx::new(out.path(), sources)).unwrap();
    (out, results)
}

/// An answer without the data that the run was trained on.
fn ask(out: &Path, request: &Value) -> Result<Prediction, PipelineError> {
    let nothing = Sources::new(Datasets::empty());
    Registry::builtin().predict(&SavedRun::new(out, &nothing), request)
}

fn series(prediction: &Prediction, key: &str) -> Vec<(String, f64)> {
    let by_time = prediction.values[key].as_object().unwrap();
    by_time.iter().map(|(time, value)| (time.clone(), value.as_f64().unwrap())).collect()
}

fn forecast(prediction: &Prediction) -> Vec<f64> {
    series(prediction, "forecasted_series").into_iter().map(|(_, value)| value).collect()
}

/// A dense network of one layer by hand, from its weights in a file: scaled window to outputs.
fn by_hand(weights: &StateDict, window: &[f64]) -> Vec<f64> {
    let dense = |layer: usize, x: &[f64]| -> Vec<f64> {
        let (shape, weight) = weights.get(&format!("{layer}.weight")).unwrap();
        let (_, bias) = weights.get(&format!("{layer}.bias")).unwrap();
        let row = |i: usize| weight[i * shape[1]..(i + 1) * shape[1]].iter().zip(x);
        let sum = |i: usize| row(i).map(|(w, x)| f64::from(*w) * x).sum::<f64>() + f64::from(bias[i]);
        (0..shape[0]).map(sum).collect()
    };
    let hidden: Vec<f64> = dense(1, window).into_iter().map(|x| x.max(0.0)).collect();
    dense(4, &hidden)
}

#[test]
fn a_forecast_is_what_the_model_says_of_the_newest_rows() {
    for transform in ["none", "log1p", "difference"] {
        let change = json!({
            "feature_engineering": {"target_col_transform": transform},
            "model_params": {"kind": "mlp", "horizon": 2, "interval": 0.9},
        });
        let (out, _) = run(&config(&change), &sources());
        let answer = ask(out.path(), &json!({"prediction_steps": 2})).unwrap();

        // The columns as the model is to see them, with the mean and deviation of the training part: 260 rows less 52 and 26.
        let learned = |row: usize| match transform {
            "none" => values(row)[0],
            "log1p" => values(row)[0].ln_1p(),
            _ if row == 0 => 0.0,
            _ => values(row)[0] - values(row - 1)[0],
        };
        let first = usize::from(transform == "difference");
        let standard = |column: &dyn Fn(usize) -> f64, from: usize| {
            let known: Vec<f64> = (from..182).map(column).collect();
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            let square = known.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / known.len() as f64;
            (mean, square.sqrt())
        };
        let (mean, deviation) = standard(&learned, first);
        let (visits, spread) = standard(&|row| values(row)[1], 0);
        let window: Vec<f64> = (DAYS - 4..DAYS)
            .flat_map(|row| [(learned(row) - mean) / deviation, (values(row)[1] - visits) / spread])
            .collect();
        let weights = std::fs::read(out.path().join("model.safetensors")).unwrap();
        let output = by_hand(&StateDict::from_bytes(&weights).unwrap(), &window);
        let real = |x: f64| match transform {
            "none" => x * deviation + mean,
            "log1p" => (x * deviation + mean).exp() - 1.0,
            _ => values(DAYS - 1)[0] + x * deviation + mean,
        };
        let expected: Vec<f64> = output.into_iter().map(real).collect();
        let ends = |i: usize| (expected[2 + i].min(expected[4 + i]), expected[2 + i].max(expected[4 + i]));
        let close = |found: f64, wanted: f64| {
            assert!((found - wanted).abs() < 1e-4 * wanted.abs(), "{transform}: {found} is not {wanted}");
        };
        for (i, value) in forecast(&answer).into_iter().enumerate() {
            close(value, expected[i]);
            close(series(&answer, "forecast_lower")[i].1, ends(i).0);
            close(series(&answer, "forecast_upper")[i].1, ends(i).1);
        }
        close(answer.values["prediction"].as_f64().unwrap(), expected[0]);
        let history = series(&answer, "actual_history");
        assert_eq!(history.len(), 100);
        assert_eq!(history[99], (days(DAYS)[DAYS - 1].to_string(), values(DAYS - 1)[0]));
        assert_eq!(answer.values["target_col"], "sales");
    }
}

/// Rows of a request: a value of `sales`, and one of `visits`.
fn rows(from: usize, values: &[[f64; 2]]) -> Vec<Value> {
    let days = days(from + values.len()).split_off(from);
    let row = |(day, [sales, visits]): (jiff::civil::Date, &[f64; 2])| json!({"day": day.to_string(), "sales": sales, "visits": visits, "weather": "fine"});
    days.into_iter().zip(values).map(row).collect()
}

#[test]
fn beyond_the_horizon_a_forecast_goes_on_from_itself() {
    for transform in ["none", "difference"] {
        let change = json!({
            "feature_engineering": {"target_col_transform": transform, "calendar": true},
            "model_params": {"horizon": 2, "interval": 0.8},
        });
        let (out, _) = run(&config(&change), &sources());
        let answer = ask(out.path(), &json!({"prediction_steps": 6})).unwrap();
        assert_eq!(["forecast_lower", "forecast_upper"].map(|key| series(&answer, key).len()), [2, 2]);
        // No weekend, and each day once.
        let expected: Vec<String> = days(DAYS + 6)[DAYS..].iter().map(ToString::to_string).collect();
        let times: Vec<String> = series(&answer, "forecasted_series").into_iter().map(|(t, _)| t).collect();
        assert_eq!(times, expected);

        // The same in three requests of two steps, each with the rows that the one before has forecast.
        let mut known: Vec<[f64; 2]> = (DAYS - 8..DAYS).map(values).collect();
        for _ in 0..3 {
            let rows = rows(DAYS - 8, &known);
            let next = ask(out.path(), &json!({"prediction_steps": 2, "data": rows})).unwrap();
            let visits = known[known.len() - 1][1];
            known.extend(forecast(&next).into_iter().map(|sales| [sales, visits]));
        }
        let piecewise: Vec<f64> = known[8..].iter().map(|row| row[0]).collect();
        for (a, b) in forecast(&answer).into_iter().zip(piecewise) {
            assert!((a - b).abs() < 1e-9 * b.abs(), "{a} is not {b}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_request_is_told_by_its_place() {
    let change = json!({"feature_engineering": {"target_col_transform": "log1p"}});
    let (out, _) = run(&config(&change), &sources());
    let problems = |request: Value| {
        let Err(PipelineError::Request(error)) = ask(out.path(), &request) else { unreachable!("refused") };
        error.0.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(problems(json!({"prediction_steps": 0})), ["/prediction_steps: `0` is below the minimum 1"]);
    assert_eq!(problems(json!({"prediction_steps": 1001})).len(), 1);
    assert!(problems(json!({"steps": 3}))[0].starts_with("/steps: unknown key `steps`"));
    let good: Vec<[f64; 2]> = (0..5).map(values).collect();
    assert_eq!(
        problems(json!({"data": rows(0, &good[..3])})),
        ["/data: 3 rows are too few; at least 4: as many as the model looks back"]
    );
    assert!(
        problems(json!({"data": rows(0, &good[..1])}))[0].starts_with("/data: 1 row is too few; at least 4")
    );
    let broken = |row: usize, key: &str, value: Value| {
        let mut data = rows(0, &good);
        data[row][key] = value;
        problems(json!({"data": data}))
    };
    assert_eq!(broken(3, "sales", json!("many")), ["/data/3/sales: expected a number"]);
    assert_eq!(broken(1, "visits", json!(1e300)), ["/data/1/visits: is beyond ±1e140"]);
    assert_eq!(broken(2, "sales", json!(-1)), ["/data/2/sales: log1p takes values above -1"]);
    assert_eq!(broken(2, "day", json!("2022-01-04")), ["/data/2/day: must come after the row above it"]);
    assert_eq!(broken(0, "day", json!("soon")), ["/data/0/day: `soon` is not a date or time"]);
    assert_eq!(
        broken(0, "day", json!("01/02/2021")),
        ["/data/0/day: `01/02/2021` could be month/day or day/month; write year-month-day"]
    );
    let mut data = rows(0, &good);
    data[4].as_object_mut().unwrap().remove("visits");
    assert_eq!(problems(json!({ "data": data })), ["/data/4: the column `visits` is missing"]);

    // The last working days that there are: 9999 ends on a Friday.
    let last = ["9999-12-27", "9999-12-28", "9999-12-29", "9999-12-30"];
    let data: Vec<Value> = last.map(|day| json!({"day": day, "sales": 1, "visits": 1})).into();
    assert_eq!(
        ask(out.path(), &json!({"data": data})).unwrap().values["forecasted_series"]
            .as_object()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        problems(json!({"data": data, "prediction_steps": 3})),
        ["/prediction_steps: step 2 lies beyond the year 9999; at most 1"]
    );
    let many = vec![json!({"day": "2022-01-03", "sales": 1, "visits": 1}); 3000];
    assert_eq!(problems(json!({"data": many})), ["it has more than the 10000 values that are allowed"]);

    let path = out.path().join("config.json");
    let kept = std::fs::read_to_string(&path).unwrap();
    let edit = |key: &str, value: u64| {
        let mut config: Value = serde_json::from_str(&kept).unwrap();
        config["model_params"][key] = value.into();
        std::fs::write(&path, config.to_string()).unwrap();
        ask(out.path(), &json!({})).unwrap_err().to_string()
    };
    assert_eq!(
        edit("sequence_length", 5),
        "the run's config.json says that its model looks at 5 rows, but it has learned with 4"
    );
    for (key, value) in [("hidden_size", 4), ("horizon", 2), ("num_layers", 2)] {
        let error = edit(key, value);
        assert!(error.starts_with("the run's model.safetensors cannot be used: "), "{error}");
    }
    std::fs::write(&path, kept.as_bytes()).unwrap();
    std::fs::write(
        out.path().join("last_rows.json"),
        r#"{"time_col": "day", "step": null, "times": [], "columns": []}"#,
    )
    .unwrap();
    let error = ask(out.path(), &json!({})).unwrap_err();
    assert!(error.to_string().starts_with("the run's last_rows.json is damaged"), "{error}");
}

#[test]
fn every_kind_of_model_forecasts_several_steps() {
    for kind in ["lstm", "gru", "mlp", "transformer"] {
        let change = json!({
            "feature_engineering": {"calendar": true, "season": 7},
            "model_params": {"kind": kind, "horizon": 3, "hidden_size": 8, "num_heads": 2, "num_layers": 2,
                             "sequence_length": 10, "interval": 0.8},
        });
        let (out, results) = run(&config(&change), &sources());
        let found: ForecastResults = results.extra_as().unwrap();
        // 52 rows of the test part, less 10 and 2.
        let lengths = [&found.y_true, &found.y_pred, &found.y_lower, &found.y_upper].map(Vec::len);
        assert_eq!((lengths, found.time_index.len()), ([40; 4], 40), "{kind}");
        assert_eq!(found.y_true[0], Some(values(DAYS - 52 + 10)[0]));
        let steps: Vec<usize> = found.by_step.iter().map(|step| step.step).collect();
        assert_eq!(steps, [1, 2, 3]);
        // All steps have as many windows, so their mean squares are the pooled one's.
        let square = found.by_step.iter().map(|step| step.rmse.unwrap().powi(2)).sum::<f64>() / 3.0;
        assert!((square.sqrt() - results.figure("rmse").unwrap()).abs() < 1e-9);
        let two_ahead = (DAYS - 52 + 10..DAYS - 2).map(|row| values(row + 1)[0] - values(row - 1)[0]);
        let expected = (two_ahead.map(|e| e * e).sum::<f64>() / 40.0).sqrt();
        assert!((found.by_step[1].persistence.unwrap() - expected).abs() < 1e-9);
        let names: Vec<&String> = results.baselines.keys().collect();
        assert_eq!(names, ["drift", "persistence", "seasonal_naive"]);
        for (name, skill) in &found.skill {
            let rmse = results.baseline_figure(name, "rmse").unwrap();
            assert!((skill.unwrap() - (1.0 - results.figure("rmse").unwrap() / rmse)).abs() < 1e-12);
        }
        let inputs: Vec<&String> = found.feature_importance.iter().map(|input| &input.feature).collect();
        assert_eq!(inputs, found.feature_cols.iter().collect::<Vec<_>>());
        assert!(found.feature_importance.iter().all(|input| input.rmse_increase.is_some()));
        assert!((0.0..=1.0).contains(&results.figure("interval_coverage").unwrap()));
        assert!(results.figure("interval_width").unwrap() > 0.0);
        assert_eq!(forecast(&ask(out.path(), &json!({"prediction_steps": 4})).unwrap()).len(), 4);
        let report = std::fs::read_to_string(out.path().join("report.md")).unwrap();
        assert!(report.contains("seasonal naive, 7 rows") && report.contains("| step | RMSE |"), "{report}");
    }
}

#[test]
fn an_input_that_says_nothing_has_no_weight() {
    // `sales` alternates, so that its last value tells the next one; `noise` never changes.
    let mut csv = String::from("day,sales,noise\n");
    for (row, day) in days(300).into_iter().enumerate() {
        writeln!(csv, "{day},{},1", if row % 2 == 0 { 10 } else { 30 }).unwrap();
    }
    let sources = Sources::new(Datasets::empty().with(DatasetFile::new("shop", csv.into_bytes())));
    let change = json!({
        "feature_engineering": {"target_col_transform": "none"},
        "model_params": {"kind": "mlp", "hidden_size": 16, "dropout": 0.0, "sequence_length": 2},
        "training_params": {"epochs": 60, "lr": 0.01},
    });
    let (_, results) = run(&config(&change), &sources);
    let found: ForecastResults = results.extra_as().unwrap();
    let rise = |i: usize| found.feature_importance[i].rmse_increase.unwrap();
    assert!(results.figure("rmse").unwrap() < 1.0, "{:?}", results.metrics);
    // Of windows that are shuffled about half say the opposite, and are wrong by 20: √(400 / 2) = 14.1.
    assert!((10.0..18.0).contains(&rise(0)), "{}", rise(0));
    assert_eq!(found.feature_importance[1].rmse_increase, Some(0.0));
}

#[test]
fn a_forecast_that_breaks_its_bounds_is_refused_with_their_names() {
    let problems = |change: &Value| {
        let error = Registry::builtin().check(&config(change), &sources()).unwrap_err();
        error.problems().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        problems(&json!({"model_params": {"kind": "transformer", "num_heads": 2}})),
        ["/model_params/num_heads: 2 heads do not share 3 hidden units evenly; it must divide them"]
    );
    assert_eq!(
        problems(&json!({"model_params": {"horizon": 23}})),
        [
            "/model_params/sequence_length: windows of 4 rows with 23 to forecast do not fit: the smallest part (validation) has \
          26 rows, which allows at most 3"
        ]
    );
    assert!(
        problems(&json!({"model_params": {"horizon": 30}}))[0]
            .starts_with("/model_params/horizon: windows of 4 rows")
    );
    assert_eq!(
        problems(&json!({"feature_engineering": {"season": 213}})),
        ["/feature_engineering/season: reaches back before the first row; at most 212 rows"]
    );
    assert_eq!(problems(&json!({"model_params": {"interval": 0.4}})).len(), 1);
}

#[test]
fn log1p_names_the_row_that_it_cannot_take() {
    let csv = sources().datasets.get("shop").unwrap().bytes.to_vec();
    let csv =
        String::from_utf8(csv).unwrap().replace(&format!("2022-01-07,{}", values(4)[0]), "2022-01-07,-1");
    let sources = Sources::new(Datasets::empty().with(DatasetFile::new("shop", csv.into_bytes())));
    let config = config(&json!({"feature_engineering": {"target_col_transform": "log1p"}}));
    let error = Registry::builtin().check(&config, &sources).unwrap_err();
    assert_eq!(
        error.problems()[0].to_string(),
        "/feature_engineering/target_col_transform: log1p takes values above -1, but `sales` is -1 at 2022-01-07"
    );
}

#[test]
fn a_preset_is_the_forecaster_by_the_names_of_its_trade() {
    let registry = Registry::builtin();
    let sources = Sources::default();
    let ask_for = |name: &str, groups: Value| {
        let mut config = json!({"pipeline_name": name});
        config.as_object_mut().unwrap().extend(groups.as_object().unwrap().clone());
        config
    };
    let small = json!({
        "model_params": {"hidden_size": 4, "sequence_length": 5},
        "training_params": {"epochs": 1},
        "data_sourcing": {"ticker": "MSFT"},
    });
    let (out, results) = run(&ask_for("stock_predictor", small), &sources);
    assert_eq!(results.extra["target_col"], "Adj Close");
    assert!(results.figure("interval_coverage").is_some());
    let answer = ask(out.path(), &json!({"prediction_steps": 3})).unwrap();
    // The data end on Friday, 1 March 2013.
    let times: Vec<String> = series(&answer, "forecasted_series").into_iter().map(|(t, _)| t).collect();
    assert_eq!(times, ["2013-03-04", "2013-03-05", "2013-03-06"]);
    assert_eq!(series(&answer, "forecast_lower").len(), 1);
    let report = std::fs::read_to_string(out.path().join("report.md")).unwrap();
    assert!(report.contains("data_sourcing.ticker") && report.contains("MSFT"), "{report}");

    let problems = |config: &Value, sources: &Sources| -> Vec<String> {
        let error = registry.check(config, sources).unwrap_err();
        error.problems().iter().map(ToString::to_string).collect()
    };
    let bare = Sources::new(Datasets::empty());
    assert!(
        problems(&ask_for("stock_predictor", json!({})), &bare)[0]
            .starts_with("/data_sourcing/ticker: unknown")
    );
    let off = ask_for("stock_predictor", json!({"model_params": {"interval": null}}));
    assert_eq!(registry.check(&off, &sources).unwrap()["model_params"]["interval"], Value::Null);
    assert_eq!(
        registry.check(&ask_for("stock_predictor", json!({})), &sources).unwrap()["model_params"]["interval"],
        0.8
    );

    let place = ask_for("weather_forecaster", json!({"data_sourcing": {"latitude": 41.0}}));
    assert_eq!(
        problems(&place, &sources),
        [
            "/data_sourcing/latitude: this server does not fetch; leave it out to use a data set",
            "/data_sourcing/longitude: is needed beside the latitude"
        ]
    );
}

/// Hourly weather without a network.
#[derive(Debug)]
struct Station;

impl DataSource for Station {
    fn weather(&self, request: &WeatherRequest) -> Result<Vec<u8>, DataError> {
        assert_eq!(request.max_age, Some(Duration::from_hours(6)));
        if request.latitude > 80.0 {
            return Err(DataError::Fetch { problem: "there is no archive so far north".into() });
        }
        let mut csv = format!("time,{}\n", request.hourly_vars.join(","));
        for hour in 0..400_i64 {
            let at = request.start.at(0, 0, 0, 0) + jiff::Span::new().hours(hour);
            let cells = request.hourly_vars.iter().map(|_| (hour % 24).to_string()).collect::<Vec<_>>();
            writeln!(csv, "{at},{}", if hour == 7 { ",".repeat(cells.len() - 1) } else { cells.join(",") })
                .unwrap();
        }
        Ok(csv.into_bytes())
    }
}

#[test]
fn weather_of_a_place_is_fetched_within_the_run() {
    let sources = Sources::default().fetch(Arc::new(Station));
    let at = |latitude: f64| {
        json!({
            "pipeline_name": "weather_forecaster",
            "data_sourcing": {"latitude": latitude, "longitude": 29.0, "hourly_vars": ["wind_speed_10m", "rain"],
                              "start_date": "2024-02-28", "end_date": "2024-03-20"},
            "model_params": {"hidden_size": 4, "sequence_length": 6},
            "training_params": {"epochs": 1},
            "system": {"cache_max_age_hours": 6},
        })
    };
    let (out, results) = run(&at(41.0), &sources);
    assert_eq!(results.extra["target_col"], "wind_speed_10m");
    // The same hour of the day before is never wrong here.
    assert_eq!(results.baseline_figure("seasonal_naive", "rmse"), Some(0.0));
    let answer = ask(out.path(), &json!({})).unwrap();
    // 400 hours from 28 February 2024 on: 16 days and 16 hours.
    assert_eq!(series(&answer, "forecasted_series")[0].0, "2024-03-15T16:00:00");

    let folder = tempfile::tempdir().unwrap();
    let error = Registry::builtin().run(&at(85.0), &mut RunCx::new(folder.path(), &sources)).unwrap_err();
    assert_eq!(error.to_string(), "cannot fetch the data: there is no archive so far north");
    let mut wrong = at(41.0);
    wrong["data_sourcing"]["end_date"] = "2024-02-30".into();
    wrong["data_sourcing"]["hourly_vars"] = json!(["rain", "rain", "a&b"]);
    let error = Registry::builtin().check(&wrong, &sources).unwrap_err();
    let pointers: Vec<String> = error.problems().into_iter().map(|problem| problem.pointer).collect();
    let expected = ["end_date", "hourly_vars/1", "hourly_vars/2"].map(|key| format!("/data_sourcing/{key}"));
    assert_eq!(pointers, expected);
}

#[test]
#[cfg(feature = "datasets")]
fn the_defaults_beat_persistence_and_the_last_season() {
    for set in ["seattle-weather", "sunspots", "co2"] {
        let config = json!({"pipeline_name": "csv_forecaster", "data_sourcing": {"dataset": set}});
        let (out, results) = run(&config, &Sources::default());
        let rmse = results.figure("rmse").unwrap();
        for name in ["persistence", "seasonal_naive"] {
            let base = results.baseline_figure(name, "rmse").unwrap();
            assert!(rmse < base, "{set}: RMSE {rmse} is not below {base} of {name}");
        }
        let report = std::fs::read_to_string(out.path().join("report.md")).unwrap();
        assert!(report.contains("the data set's default"), "{report}");
    }
}

#[test]
fn unknown_keys_of_rows_are_passed_over_and_the_request_is_not_changed() {
    let (out, _) = run(&config(&json!({})), &sources());
    let newest: Vec<[f64; 2]> = (DAYS - 4..DAYS).map(values).collect();
    let mut given = rows(DAYS - 4, &newest);
    for row in &mut given {
        row["other"] = json!({"deep": [1, 2]});
    }
    let request = Map::from_iter([("data".to_owned(), json!(given))]);
    let [own, same] = [json!({}), request.into()].map(|request| ask(out.path(), &request).unwrap());
    assert_eq!(own.values["prediction"], same.values["prediction"]);
}

#[test]
fn the_examples_in_schemas_can_be_run() {
    let (registry, sources) = (Registry::builtin(), Sources::default());
    let mut found = Vec::new();
    for info in registry.names().filter_map(|name| registry.info(name)) {
        let schema = &info.json_schema["$defs"]["DataSourcing"]["properties"]["dataset"];
        for example in schema["examples"].as_array().into_iter().flatten() {
            let config = json!({"pipeline_name": info.name, "data_sourcing": {"dataset": example}});
            registry.check(&config, &sources).unwrap();
            found.push(format!("{} {}", info.name, example.as_str().unwrap()));
        }
    }
    let tables = ["seattle-weather", "sunspots", "co2", "stock-aapl", "stock-msft"];
    let mut expected: Vec<_> = tables.iter().map(|table| format!("csv_forecaster {table}")).collect();
    expected.push("image_classifier digits".to_owned());
    expected.push("weather_forecaster seattle-weather".to_owned());
    assert_eq!(found, expected);
}
