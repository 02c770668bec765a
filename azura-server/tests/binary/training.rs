//! Trainings in the terminal.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{SMALL, Server, azura, json, run};

/// A table of days with one column.
fn table(column: &str, cell: impl Fn(usize) -> String) -> String {
    let first = jiff::civil::date(2024, 1, 1);
    let row = |day: usize| format!("{},{}", first + jiff::ToSpan::days(day as i64), cell(day));
    format!("date,{column}\n{}\n", (0..300).map(row).collect::<Vec<_>>().join("\n"))
}

#[test]
fn training_in_the_terminal_writes_the_same_folder() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("config.json");
    fs::write(&config, SMALL).unwrap();

    let out = data.path().join("runs/first");
    let set = ["--set", "training_params.epochs=2"];
    let (code, text, error) =
        run(azura(data.path()).arg("train").arg(&config).args(set).arg("--out").arg(&out));
    assert_eq!(code, Some(0), "{error}");
    assert!(
        text.contains("rmse") && text.contains("persistence") && text.contains(out.to_str().unwrap()),
        "{text}"
    );
    for name in [
        "config.json",
        "results.json",
        "environment.json",
        "events.jsonl",
        "model.safetensors",
        "report.md",
        "images",
        "run.json",
    ] {
        assert!(out.join(name).exists(), "{name}");
    }
    assert_eq!(json(&out.join("config.json"))["training_params"]["epochs"], 2);
    assert_eq!(json(&out.join("results.json"))["history"]["loss"].as_array().unwrap().len(), 2);
    assert_eq!(json(&out.join("environment.json"))["threads"], 1);
    assert_eq!(fs::read_dir(data.path().join("runs")).unwrap().count(), 1, "nothing beside it");

    // Its model is asked.
    let (code, text, error) = run(azura(data.path()).arg("predict").arg(&out).args(["--steps", "3"]));
    assert_eq!(code, Some(0), "{error}");
    let days: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(days, ["time", "2016-01-01", "2016-01-02", "2016-01-03"], "{text}");
    let (_, text, _) = run(azura(data.path()).arg("predict").arg(&out).arg("--json"));
    assert!(serde_json::from_str::<Value>(&text).unwrap()["prediction"].is_number(), "{text}");
    let (code, _, error) = run(azura(data.path()).arg("predict").arg(&out).args(["--steps", "0"]));
    assert!(code == Some(1) && error.contains("/prediction_steps"), "{error}");
    let (code, _, error) = run(azura(data.path()).args(["predict", "nobody"]));
    assert!(code == Some(1) && error.contains("there is no run \"nobody\": neither nobody nor "), "{error}");
    let (_, _, error) = run(azura(data.path()).args(["predict", "/no/body"]));
    assert_eq!(error, "error: there is no run \"/no/body\": /no/body holds none\n");
    let (_, _, error) = run(azura(data.path()).args(["predict", out.to_str().unwrap(), "--request", "-"]));
    assert!(error.contains("standard input is not JSON: "), "{error}");

    let (code, _, error) = run(azura(data.path()).arg("train").arg(&config).arg("--out").arg(&out));
    assert!(code == Some(1) && error.contains("first: the folder is not empty"), "{error}");

    // An empty folder will do, by any name, and nothing is touched before the config is known to be good.
    let empty = data.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let train = |out: &str, epochs: &str| {
        let mut command = azura(data.path());
        command.current_dir(&empty).arg("train").arg(&config).args(["--set", epochs, "--out", out]);
        run(&mut command)
    };
    let (code, _, error) = train(".", "training_params.epochs=-1");
    assert!(code == Some(1) && error.contains("/training_params/epochs"), "{error}");
    let (code, _, _) = train("deep/er", "training_params.epochs=-1");
    assert!(code == Some(1) && fs::read_dir(&empty).unwrap().count() == 0);
    let (code, _, error) = train(".", "training_params.epochs=1");
    assert!(code == Some(0) && empty.join("results.json").exists(), "{error}");

    // Where the server keeps them, with the config from standard input and the data from a file.
    fs::write(data.path().join("sales.csv"), table("sales", |day| (50 + day % 7).to_string())).unwrap();
    let file = format!("data_sourcing.file={}", data.path().join("sales.csv").display());
    let mut command = azura(data.path());
    command.args(["train", "-", "--set", "training_params.epochs=1", "--set", &file]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(SMALL.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let runs: Vec<_> =
        fs::read_dir(data.path().join("experiments")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let run = runs
        .iter()
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("csv_forecaster_"))
        .unwrap();
    assert_eq!(json(&run.join("results.json"))["target_col"], "sales");
}

#[test]
fn a_sound_is_put_beside_those_that_are_there() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("config.json");
    let small = r#"{"pipeline_name": "voice_generator", "data_sourcing": {"seconds": 0.5}, "generation": {"seconds": 0.01},
        "model_params": {"hidden_size": 2, "embedding_size": 2, "sequence_length": 20}, "training_params": {"epochs": 1}}"#;
    fs::write(&config, small).unwrap();
    let (code, _, error) =
        run(azura(data.path()).args(["train", "config.json", "--out", "run"]).current_dir(data.path()));
    assert_eq!(code, Some(0), "{error}");
    let sound = |seed: &str| {
        let line = ["predict", "run", "--steps", "100", "--set", seed];
        let (code, text, error) = run(azura(data.path()).args(line).current_dir(data.path()));
        assert_eq!(code, Some(0), "{error}");
        text.lines().last().unwrap().to_owned()
    };
    assert_eq!(
        ["seed=1", "seed=2", "seed=3"].map(sound),
        ["./generated_sample.wav", "./generated_sample-2.wav", "./generated_sample-3.wav"]
    );
    let bytes = |name: &str| fs::read(data.path().join(name)).unwrap();
    assert_ne!(bytes("generated_sample.wav"), bytes("generated_sample-2.wav"));
    fs::remove_file(data.path().join("run/inputs.json")).unwrap();
    let (code, _, error) = run(azura(data.path()).args(["predict", "run"]).current_dir(data.path()));
    assert!(code == Some(1) && error.contains("has succeeded, but its inputs.json is missing"), "{error}");
}

#[test]
fn a_config_that_cannot_be_used_is_told_in_words() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("config.json");
    let train = |text: &str, more: &[&str]| {
        fs::write(&config, text).unwrap();
        run(azura(data.path()).arg("train").arg(&config).args(more))
    };
    let (code, _, error) =
        train(SMALL, &["--set", "training_params.epochs=-1", "--set", "training_params.lr=abc"]);
    assert_eq!(code, Some(1));
    assert!(
        error.contains("/training_params/epochs: ") && error.contains("/training_params/lr: "),
        "{error}"
    );
    // A line for each, and not too many.
    let many = (0..30).map(|i| format!("\"key{i}\": 1, ")).collect::<Vec<_>>().concat();
    let (code, _, error) = train(&SMALL.replacen('{', &format!("{{{many}"), 1), &[]);
    assert!(code == Some(1) && error.contains("and 10 more") && error.lines().count() == 22, "{error}");
    let named = data.path().join("a.zip");
    fs::write(&named, "date,x\n2024-01-01,1\n").unwrap();
    for pipeline in ["csv_forecaster", "image_classifier"] {
        let config = format!(
            r#"{{"pipeline_name": "{pipeline}", "data_sourcing": {{"file": "{}"}}}}"#,
            named.display()
        );
        let (code, _, error) = train(&config, &[]);
        assert!(code == Some(1) && error.contains("a.zip: by its name a zip file, but"), "{error}");
    }
    let (code, _, error) = train("{\n oops", &[]);
    assert!(code == Some(1) && error.contains("line 2"), "{error}");
    let (code, _, error) = run(azura(data.path()).args(["train", "missing.json"]));
    assert!(code == Some(1) && error.contains("missing.json cannot be read"), "{error}");
    let broken = data.path().join("broken.csv");
    let cell = |day: usize| if day == 120 { "oops".to_owned() } else { day.to_string() };
    fs::write(&broken, table("x", cell)).unwrap();
    let file = format!("data_sourcing.file={}", broken.display());
    let (code, _, error) = train(SMALL, &["--set", &file, "--set", "feature_engineering.target_col=x"]);
    assert!(code == Some(1) && error.contains("oops") && error.contains("122"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_signal_cancels_a_training_in_the_terminal() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("config.json");
    fs::write(&config, SMALL).unwrap();
    let mut command = azura(data.path());
    command.arg("train").arg(&config).args(["--set", "training_params.epochs=100000"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It is under way when its folder is there.
    while fs::read_dir(data.path().join("experiments/.attempts")).map_or(0, Iterator::count) == 0 {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cancelled"));
    assert_eq!(fs::read_dir(data.path().join("experiments/.attempts")).unwrap().count(), 0);
}

/// A training in the terminal that is sent a signal once it has begun and there is a checkpoint below `root`, and what it said on standard error.
#[cfg(unix)]
fn interrupted(command: &mut Command, signal: &str, root: &Path) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let under_way = |run: &Path| {
        let files = fs::read_dir(run).into_iter().flatten().map(|file| file.unwrap().path());
        let record = fs::read_to_string(run.join("run.json")).unwrap_or_default();
        record.contains("\"STARTED\"")
            && files.into_iter().any(|file| file.extension().is_some_and(|ending| ending == "safetensors"))
    };
    let begun = || {
        let runs = fs::read_dir(root.join(".checkpoints")).into_iter().flatten();
        runs.into_iter().any(|run| under_way(&run.unwrap().path()))
    };
    while !begun() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// The arguments behind the last `azura` of a text.
#[cfg(unix)]
fn told(text: &str) -> Vec<&str> {
    text.rsplit_once("azura train ").unwrap().1.lines().next().unwrap().split(' ').collect()
}

#[cfg(unix)]
#[test]
fn an_interrupted_training_goes_on_in_the_terminal() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("config.json");
    fs::write(&config, SMALL.replace("}}", "}, \"training_params\": {\"epochs\": 120}}")).unwrap();
    let train = |more: &[&str]| {
        let mut command = azura(data.path());
        command.current_dir(data.path()).arg("train").args(more);
        command
    };
    let (code, _, error) = run(&mut train(&["config.json", "--out", "whole"]));
    assert_eq!(code, Some(0), "{error}");
    let [whole, out, experiments] = ["whole", "out", "experiments"].map(|name| data.path().join(name));
    assert!(!whole.join("checkpoints").exists());
    let complete = |folder: &Path| {
        for name in ["results.json", "model.safetensors", "report.md"] {
            assert!(fs::read(folder.join(name)).unwrap() == fs::read(whole.join(name)).unwrap(), "{name}");
        }
    };
    let root = data.path().join(".out.azura-train");

    // Cancelled: the folder that it was to have holds what was learned, and the run that goes on takes its place.
    let (code, said) = interrupted(&mut train(&["config.json", "--out", "out"]), "-INT", &root);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("cancelled") && out.join("checkpoints").is_dir() && !root.exists(), "{said}");
    assert_eq!(told(&said), ["train", "--resume", out.to_str().unwrap()][1..]);
    // Killed while it goes on, and gone on with once more.
    let (code, said) = interrupted(&mut train(&told(&said)), "-KILL", &root);
    assert_eq!(code, None, "{said}");
    assert!(root.join(".checkpoints").is_dir());
    let (code, _, error) = run(&mut train(&["config.json", "--out", "out2", "--resume", "out"]));
    assert!(code == Some(2) && error.contains("cannot be used with"), "{error}");
    let (code, _, error) = run(&mut train(&told(&said)));
    assert_eq!(code, Some(0), "{error}");
    complete(&out);
    assert!(!root.exists() && !out.join("checkpoints").exists());

    // Killed among the server's runs: it goes on as the run that it was.
    let (_, said) = interrupted(&mut train(&["config.json"]), "-KILL", &experiments);
    let (code, _, error) = run(&mut train(&told(&said)));
    assert_eq!(code, Some(0), "{error}");
    complete(Path::new(told(&said)[1]));
    assert_eq!(fs::read_dir(experiments.join(".checkpoints")).unwrap().count(), 0);

    // Killed, and seen by a server: a failed run that can be resumed.
    let (_, said) = interrupted(&mut train(&["config.json"]), "-KILL", &experiments);
    let server = Server::start(data.path());
    let answer = server.ask("GET /experiments", "");
    assert!(answer.contains("RUN_INTERRUPTED") && answer.contains("\"FAILURE\""), "{answer}");
    let name = Path::new(told(&said)[1]).file_name().unwrap().to_str().unwrap();
    // Who watched it before is told its end, once.
    let answer = server.ask(&format!("GET /experiments/{name}/events?after=1000"), "");
    assert!(answer.contains("RUN_INTERRUPTED") && answer.matches("\ndata: ").count() == 1, "{answer}");
    let last = answer.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    let answer = server.ask(&format!("GET /experiments/{name}/events?after={last}"), "");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let answer = server.ask(&format!("POST /experiments/{name}/resume"), "");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

#[cfg(unix)]
#[test]
fn what_there_is_not_to_go_on_with_is_told_in_words() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("config.json");
    fs::write(&config, SMALL).unwrap();
    let train = |more: &[&str]| run(azura(data.path()).current_dir(data.path()).arg("train").args(more));
    let (code, _, error) = train(&["config.json", "--set", "training_params.epochs=1", "--out", "out"]);
    assert_eq!(code, Some(0), "{error}");
    let (code, _, error) = train(&["--resume", "out"]);
    assert!(
        code == Some(1) && error.contains("out has succeeded") && error.contains("azura predict"),
        "{error}"
    );
    for nothing in ["nothing", "."] {
        let (code, _, error) = train(&["--resume", nothing]);
        assert!(code == Some(1) && error.contains("there is no run"), "{error}");
    }
    // Another one was killed on the way to the same folder.
    let root = data.path().join(".new.azura-train");
    let mut command = azura(data.path());
    command.current_dir(data.path()).args(["train", "config.json", "--out", "new"]);
    interrupted(command.args(["--set", "training_params.epochs=100000"]), "-KILL", &root);
    let (code, _, error) = train(&["config.json", "--out", "new"]);
    assert!(code == Some(1) && error.contains("go on with `azura train --resume new`"), "{error}");
}
