#![expect(clippy::needless_pass_by_value, reason = "values are written where they are used")]

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::{
    History, Metrics,
    config::parse,
    data::{DatasetFile, DatasetKind},
    results::ForecastResults,
};

fn config(value: &Value) -> Config {
    parse(value).unwrap()
}

/// A daily series 0, 1, 2, .. with a second column that falls, and a column of words.
fn line(rows: i64) -> Datasets {
    let date = |i: i64| jiff::civil::date(2020, 1, 1).checked_add(jiff::Span::new().days(i)).unwrap();
    let rows = (0..rows).map(|i| format!("{},{i},{},w\n", date(i), 1000 - i)).collect::<Vec<_>>().concat();
    Datasets::empty().with(DatasetFile::new("line", format!("date,up,down,word\n{rows}").into_bytes()))
}

fn on_line(change: Value) -> Config {
    let mut value = json!({
        "data_sourcing": {"dataset": "line"},
        "feature_engineering": {"target_col": "up"},
        "model_params": {"sequence_length": 3},
        "training_params": {"validation_size": 0.1, "test_size": 0.2},
    });
    for (group, keys) in change.as_object().unwrap() {
        for (key, to) in keys.as_object().unwrap() {
            value[group][key] = to.clone();
        }
    }
    config(&value)
}

fn problems(config: &Config, datasets: &Datasets) -> Vec<String> {
    check_data(config, datasets, false).iter().map(ToString::to_string).collect()
}

#[test]
fn parts_windows_and_scales() {
    let prepared = prepare(&on_line(json!({})), &line(100), false).unwrap();
    let windows = [&prepared.train, prepared.validation.as_ref().unwrap(), &prepared.test];
    assert_eq!(windows.map(Windows::len), [67, 7, 17]);
    // The first target of each part is its fourth row, the last one its last.
    let ends = windows.map(|w| (w.target_row(0), w.target_row(w.len() - 1)));
    assert_eq!(ends, [(3, 69), (73, 79), (83, 99)]);
    let names = ["up", "down", "day_of_year_sin", "day_of_year_cos", "day_of_week_sin", "day_of_week_cos"];
    assert_eq!(prepared.inputs.feature_cols(), names);
    assert_eq!((prepared.target_col(), prepared.y_label.as_str()), ("up", "up"));
    // Of 0..=69 only: mean 34.5, variance (70² - 1) / 12.
    let scaler = prepared.inputs.columns[0].scaler;
    assert!((scaler.offset - 34.5).abs() < 1e-12 && (scaler.scale.powi(2) - 4899.0 / 12.0).abs() < 1e-9);
    let (mut inputs, mut target) = (vec![0.0; 3 * 6], [0.0]);
    prepared.test.gather(&[16], &mut inputs);
    prepared.test.gather_targets(&[16], &mut target);
    assert_eq!(
        vec![inputs[0], inputs[6], inputs[12], target[0]],
        [96.0, 97.0, 98.0, 99.0].map(|x| scaler.transform(x)).to_vec()
    );
}

#[test]
fn no_row_of_a_later_part_touches_what_is_fitted() {
    let spoiled = |up: &str, down: &str| {
        let csv = String::from_utf8(line(100).get("line").unwrap().bytes.to_vec()).unwrap();
        let lines: Vec<String> = csv
            .lines()
            .enumerate()
            .map(|(i, l)| if i > 70 { format!("{},{up},{down},w", &l[..10]) } else { l.to_owned() })
            .collect();
        Datasets::empty().with(DatasetFile::new("line", lines.join("\n").into_bytes()))
    };
    let gather = |prepared: &Prepared| {
        let all: Vec<usize> = (0..prepared.train.len()).collect();
        let (mut inputs, mut targets) = (vec![0.0; all.len() * 18], vec![0.0; all.len() * 2]);
        prepared.train.gather(&all, &mut inputs);
        prepared.train.gather_targets(&all, &mut targets);
        (inputs, targets)
    };
    for transform in ["none", "log1p", "difference"] {
        let config = on_line(json!({
            "feature_engineering": {"target_col_transform": transform, "target_col": "down"},
            "model_params": {"horizon": 2},
        }));
        let clean = prepare(&config, &line(100), false).unwrap();
        // A logarithm takes no value below -1, so that what it is spoiled by differs.
        let spoil = if transform == "log1p" { spoiled("9e9", "7e9") } else { spoiled("-5e6", "7e9") };
        let other = prepare(&config, &spoil, false).unwrap();
        assert_eq!(clean.inputs, other.inputs, "{transform}");
        assert_eq!(gather(&clean), gather(&other), "{transform}");
        assert_ne!(clean.last_rows, other.last_rows);
    }
}

#[test]
fn results_in_real_units() {
    let prepared = prepare(&on_line(json!({})), &line(100), false).unwrap();
    let scaler = prepared.inputs.columns[0].scaler;
    // A model that is right but always 2 too high; persistence is always 1 too low.
    let output: Vec<f32> = (83..100).map(|i| scaler.transform(f64::from(i) + 2.0)).collect();
    let results =
        prepared.results([Metrics::from([("loss".into(), 0.5)])].into_iter().collect(), &output).unwrap();
    let close = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-4, "{a:?} is not {b}");
    close(results.figure("mae"), 2.0);
    close(results.figure("rmse"), 2.0);
    // 17 whole numbers in a row have the variance (17² - 1) / 12 = 24.
    close(results.figure("r2_score"), 1.0 - 4.0 / 24.0);
    assert_eq!(results.baseline_figure("persistence", "rmse"), Some(1.0));
    assert_eq!(results.baseline_figure("persistence", "mae"), Some(1.0));
    close(results.baseline_figure("persistence", "r2_score"), 1.0 - 1.0 / 24.0);
    // The line goes on as it has begun; a week before it was 7 lower. In the training part each step is 1.
    assert_eq!(results.baseline_figure("drift", "rmse"), Some(0.0));
    assert_eq!(results.baseline_figure("seasonal_naive", "mae"), Some(7.0));
    close(results.figure("mase"), 2.0);
    let forecast: ForecastResults = results.extra_as().unwrap();
    assert_eq!(forecast.y_true.len(), 17);
    assert_eq!((forecast.y_true[0], forecast.time_index[0].as_str()), (Some(83.0), "2020-03-24"));
    assert_eq!((forecast.target_col.as_str(), forecast.feature_cols.len()), ("up", 6));
    close(forecast.skill["persistence"], 1.0 - 2.0);
    close(forecast.skill["seasonal_naive"], 1.0 - 2.0 / 7.0);
    assert_eq!(forecast.skill["drift"], None);
    assert_eq!(results.final_loss, Some(0.5));

    let watched = prepared.forecast(&prepared.test, &output).thinned(6);
    assert!(watched.x_axis.len() <= 6 && watched.y_true.contains(&83.0) && watched.y_true.contains(&99.0));
}

#[test]
fn what_is_learned_of_the_target_is_in_its_input_and_comes_back_in_its_units() {
    let of = |transform: &str| {
        let change = json!({
            "feature_engineering": {"target_col_transform": transform, "calendar": false, "feature_cols": []},
            "model_params": {"horizon": 2},
        });
        prepare(&on_line(change), &squares(), false).unwrap()
    };
    for transform in ["none", "log1p", "difference"] {
        let prepared = of(transform);
        let windows = &prepared.test;
        let all: Vec<usize> = (0..windows.len()).collect();
        let mut targets = vec![0.0; all.len() * 2];
        windows.gather_targets(&all, &mut targets);
        // A model that gives the targets themselves is right.
        let forecast = prepared.forecast(windows, &targets);
        for (truth, found) in forecast.y_true.iter().zip(&forecast.y_pred) {
            assert!((truth - found).abs() < 1e-4 * truth, "{transform}: {found} is not {truth}");
        }
        // The first window of the test part has rows 80, 81 and 82, and forecasts 83 and 84.
        assert_eq!((forecast.last[0], &forecast.y_true[..2]), (82, &[83.0 * 83.0, 84.0 * 84.0][..]));
    }
    // Changes 2 row - 1 of rows 1 to 69: mean 69, variance 4 (69² - 1) / 12. From row 82 to 84 it is 84² - 82² = 332.
    let prepared = of("difference");
    let scaler = prepared.inputs.columns[0].scaler;
    assert!((scaler.offset - 69.0).abs() < 1e-9 && (scaler.scale.powi(2) - 4.0 * 4760.0 / 12.0).abs() < 1e-6);
    let (mut inputs, mut targets) = ([0.0; 3], [0.0; 2]);
    prepared.test.gather(&[0], &mut inputs);
    prepared.test.gather_targets(&[0], &mut targets);
    assert_eq!(inputs.to_vec(), [159.0, 161.0, 163.0].map(|x| scaler.transform(x)));
    assert_eq!(targets.to_vec(), [165.0, 332.0].map(|x| scaler.transform(x)));
}

/// A daily series of squares.
fn squares() -> Datasets {
    let csv = String::from_utf8(line(100).get("line").unwrap().bytes.to_vec()).unwrap();
    let square = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let up: u64 = cells[1].parse().unwrap();
        format!("{},{}\n", cells[0], up * up)
    };
    let rows: String = csv.lines().skip(1).map(square).collect();
    Datasets::empty().with(DatasetFile::new("line", format!("date,up\n{rows}").into_bytes()))
}

#[test]
fn a_model_gone_astray_has_no_figures_but_results() {
    let prepared = prepare(&on_line(json!({})), &line(100), false).unwrap();
    let results = prepared.results(History::default(), &[f32::NAN; 17]).unwrap();
    assert_eq!(results.figure("rmse"), None);
    assert!(!serde_json::to_string(&results).unwrap().contains("NaN"));
}

#[test]
fn inputs_are_chosen_and_the_target_is_always_one() {
    let of = |features: Value| {
        let prepared =
            prepare(&on_line(json!({"feature_engineering": features})), &line(100), false).unwrap();
        (prepared.inputs.feature_cols(), prepared.inputs.target)
    };
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    assert_eq!(of(json!({"calendar": false})), (names(&["up", "down"]), 0));
    assert_eq!(of(json!({"calendar": false, "feature_cols": ["down"]})), (names(&["up", "down"]), 0));
    assert_eq!(of(json!({"calendar": false, "feature_cols": ["down", "up"]})), (names(&["down", "up"]), 1));
    assert_eq!(of(json!({"calendar": false, "feature_cols": []})), (names(&["up"]), 0));
}

#[test]
fn inputs_are_saved_and_read_again() {
    let inputs = prepare(&on_line(json!({})), &line(100), false).unwrap().inputs;
    let text = serde_json::to_string(&inputs).unwrap();
    assert_eq!(serde_json::from_str::<Inputs>(&text).unwrap(), inputs);
}

#[test]
fn problems_name_their_place() {
    let sets = line(100);
    let one = |change: Value| {
        let mut found = problems(&on_line(change), &sets);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    };
    assert_eq!(
        one(json!({"data_sourcing": {"dataset": "lime"}})),
        "/data_sourcing/dataset: unknown data set `lime`; known: `line`"
    );
    assert_eq!(
        one(json!({"data_sourcing": {"file": "/etc/passwd"}})),
        "/data_sourcing/file: files can be named on the command line only; name a data set instead"
    );
    assert_eq!(
        one(json!({"data_sourcing": {"time_col": "when"}})),
        "/data_sourcing/time_col: no time column `when`; there are: `date`, `up`, `down`, `word`"
    );
    assert_eq!(
        one(json!({"data_sourcing": {"time_col": "word"}})),
        "/data_sourcing/dataset: line 2, column `word`: `w` is not a date or time"
    );
    assert_eq!(
        one(json!({"feature_engineering": {"target_col": "word"}})),
        "/feature_engineering/target_col: no numeric column `word`; there are: `up`, `down`"
    );
    assert_eq!(
        one(json!({"feature_engineering": {"target_col": null}})),
        "/feature_engineering/target_col: name the column to forecast: `up`, `down`"
    );
    assert_eq!(
        one(json!({"feature_engineering": {"feature_cols": ["up", "date"]}})),
        "/feature_engineering/feature_cols/1: no numeric column `date`; there are: `up`, `down`"
    );
    assert_eq!(
        one(json!({"feature_engineering": {"feature_cols": ["up", "up"]}})),
        "/feature_engineering/feature_cols/1: the column `up` is named twice"
    );
    assert_eq!(
        one(json!({"model_params": {"sequence_length": 10}})),
        "/model_params/sequence_length: windows of 10 rows do not fit: the smallest part (validation) has 10 rows, which \
         allows at most 9"
    );
    let short = Datasets::empty().with(DatasetFile::new("line", &b"date,up\n2024-01-01,1\n"[..]));
    assert_eq!(
        problems(&on_line(json!({"feature_engineering": {"target_col": "up"}})), &short),
        [
            "/data_sourcing/dataset: 1 row is too few: the test part would have 0 rows, and 2 are needed, one to look at and one to \
          foresee"
        ]
    );
    let words =
        Datasets::empty().with(DatasetFile::new("line", &b"date,word\n2024-01-01,w\n2024-01-02,w\n"[..]));
    let told = problems(&on_line(json!({"feature_engineering": {"target_col": null}})), &words);
    assert_eq!(told[0], "/feature_engineering/target_col: the table has no numeric column to forecast");
    assert_eq!(
        one(json!({"training_params": {"validation_size": 0, "early_stopping": {}}})),
        "/training_params/early_stopping: watches the validation loss, but `validation_size` is 0"
    );
    let all = problems(
        &on_line(
            json!({"feature_engineering": {"target_col": "x", "feature_cols": ["y"]}, "model_params": {"sequence_length": 50}}),
        ),
        &sets,
    );
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(prepare(&on_line(json!({"model_params": {"sequence_length": 50}})), &sets, false).is_err());
}

#[test]
#[cfg(feature = "datasets")]
fn what_would_not_fit_into_memory() {
    let sets = Datasets::bundled();
    let of = |value| check_data(&config(&value), &sets, false);
    assert_eq!(of(json!({"model_params": {"hidden_size": 2048}})).len(), 0);
    let found =
        of(json!({"data_sourcing": {"dataset": "stock-aapl"}, "training_params": {"batch_size": 65_536},
                          "model_params": {"hidden_size": 2048, "sequence_length": 300}}));
    assert_eq!(found.iter().map(|p| p.pointer.as_str()).collect::<Vec<_>>(), ["/training_params/batch_size"]);
    // 400 columns and 2048 units: 4 · 2048 · (400 + 2048 + 1) + 2049 weights.
    let header = (0..400).map(|i| format!(",c{i}")).collect::<Vec<_>>().concat();
    let rows = (2000..2030).map(|year| format!("{year}{}\n", ",1".repeat(400))).collect::<Vec<_>>().concat();
    let wide = Datasets::empty().with(DatasetFile::new("wide", format!("year{header}\n{rows}").into_bytes()));
    let value = json!({"data_sourcing": {"dataset": "wide"}, "feature_engineering": {"target_col": "c0"},
                       "model_params": {"hidden_size": 2048, "sequence_length": 1}});
    assert_eq!(
        problems(&config(&value), &wide),
        ["/model_params/hidden_size: the model would have 20064257 parameters; at most 20000000"]
    );
}

#[test]
fn a_config_made_in_code_is_checked_too() {
    let mut config = Config::default();
    config.model_params.sequence_length = 0;
    config.training_params.lr = f64::NAN;
    let pointers: Vec<String> =
        check_data(&config, &Datasets::bundled(), false).into_iter().map(|p| p.pointer).collect();
    assert_eq!(pointers, ["/model_params/sequence_length", "/training_params/lr"]);
}

fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("own.csv");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn own_files_and_their_broken_cells() {
    let folder = tempfile::tempdir().unwrap();
    let years = |cell: &str| {
        let rows = (1700..1800)
            .map(|y| format!("{y},{}\n", if y == 1715 { cell } else { "1.5" }))
            .collect::<Vec<_>>()
            .concat();
        let path = file(&folder, &format!("\"YEAR\",\"SPOTS\"\n{rows}"));
        config(&json!({"data_sourcing": {"file": path}, "model_params": {"sequence_length": 5}}))
    };
    let prepared = prepare(&years("2"), &Datasets::empty(), true).unwrap();
    assert_eq!((prepared.target_col(), prepared.inputs.width()), ("SPOTS", 1));
    assert_eq!(prepared.time_index[0], "1700-01-01");
    for (cell, problem) in [
        ("abc", "`abc` is not a number"),
        ("NaN", "`NaN` stands for no value; a number is needed"),
        ("", "the cell is blank; a number is needed"),
    ] {
        let found = check_data(&years(cell), &Datasets::empty(), true);
        assert_eq!(
            found,
            [Problem::new("/data_sourcing/file", format!("line 17, column `SPOTS`: {problem}"))]
        );
    }
    let gone = config(&json!({"data_sourcing": {"file": "no/such.csv"}}));
    assert!(check_data(&gone, &Datasets::empty(), true)[0].message.starts_with("cannot read no/such.csv"));
}

#[test]
fn a_value_out_of_reach_of_f32_is_an_error() {
    let rows = (0..50)
        .map(|i| format!("{},{}\n", 2000 + i, if i < 45 { f64::from(i) * 1e-30 } else { 1e30 }))
        .collect::<Vec<_>>()
        .concat();
    let sets = Datasets::empty().with(DatasetFile::new("far", format!("year,x\n{rows}").into_bytes()));
    let value = json!({"data_sourcing": {"dataset": "far"}, "model_params": {"sequence_length": 2}});
    let found = prepare(&config(&value), &sets, false).unwrap_err().0;
    assert_eq!(found[0].pointer, "/feature_engineering/scaler");
    assert!(found[0].message.ends_with("at 2045-01-01"), "{}", found[0].message);
}

#[test]
fn the_defaults_fit_the_bundled_sets() {
    for set in Datasets::bundled().iter().filter(|set| set.kind == DatasetKind::Table) {
        let config = config(&json!({"data_sourcing": {"dataset": set.id}}));
        let prepared = prepare(&config, &Datasets::bundled(), false).unwrap();
        assert_eq!(Some(prepared.target_col()), set.default_target.as_deref());
        // A number of spots has no unit.
        assert!(prepared.y_label.ends_with(')') || set.id == "sunspots", "{}", prepared.y_label);
    }
}

#[test]
fn blank_weeks_are_filled_as_the_config_says_or_the_data_set() {
    let with = |missing| {
        let config = config(&json!({"data_sourcing": {"dataset": "co2", "missing": missing}}));
        prepare(&config, &Datasets::bundled(), false)
    };
    let interpolated = with(json!(null)).unwrap();
    assert_eq!(interpolated.notes, ["59 missing values of `co2` were interpolated"]);
    // 10 May 1958 lies half way between 316.9 and 317.5.
    assert!((interpolated.truth[6] - 317.2).abs() < 1e-9 && interpolated.truth.len() == 2284);
    let dropped = with(json!("drop")).unwrap();
    assert_eq!(dropped.truth.len(), 2284 - 59);
    assert_eq!(dropped.notes[0], "59 rows with missing values were left out");
    let found = with(json!("error")).unwrap_err().0;
    assert_eq!(
        found[0].to_string(),
        "/data_sourcing/dataset: line 8, column `co2`: the cell is blank; a number is needed"
    );
}
