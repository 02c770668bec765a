//! The pipelines `image_classifier` and `voice_generator` as other programs run them.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

use azura_learner::{
    PipelineError, Prediction, Registry, RunCx, SavedRun, Sources,
    data::{Audio, DatasetFile, Datasets},
    results::{AudioResults, ClassificationResults, Results},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

fn run(config: &Value, sources: &Sources, out: &Path) -> Result<Results, PipelineError> {
    Registry::builtin().run(config, &mut RunCx::new(out, sources))
}

fn ask(out: &Path, request: &Value) -> Result<Prediction, PipelineError> {
    let sources = Sources::default();
    Registry::builtin().predict(&SavedRun::new(out, &sources), request)
}

fn problems(config: &Value, sources: &Sources) -> Vec<String> {
    let error = Registry::builtin().check(config, sources).unwrap_err();
    error.problems().iter().map(ToString::to_string).collect()
}

/// Every picture that the report links is there, and the report says this.
fn report_says(out: &Path, texts: &[&str]) {
    let report = fs::read_to_string(out.join("report.md")).unwrap();
    let mut links = report.split("](").skip(1).filter_map(|rest| rest.split(')').next()).peekable();
    assert!(links.peek().is_some());
    for link in links {
        assert!(fs::read_to_string(out.join(link)).unwrap().starts_with("<svg"), "{link}");
    }
    for text in texts {
        assert!(report.contains(text), "{text} is not in\n{report}");
    }
}

fn bytes(out: &Path, names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| fs::read(out.join(name)).unwrap()).collect()
}

#[test]
fn the_default_classifier_knows_digits() {
    let out = tempfile::tempdir().unwrap();
    let results =
        run(&json!({"pipeline_name": "image_classifier"}), &Sources::default(), out.path()).unwrap();
    let accuracy = results.figure("accuracy").unwrap();
    assert!(accuracy >= 0.97, "{accuracy}");
    // A fifth of 1797, each class by itself; 183 of them are the digit 3.
    let ClassificationResults { confusion_matrix, class_names, .. } = results.extra_as().unwrap();
    assert_eq!(class_names, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let all: usize = confusion_matrix.iter().flatten().sum();
    assert_eq!((all, confusion_matrix[3].iter().sum::<usize>()), (359, 37));
    let right: usize = (0..10).map(|i| confusion_matrix[i][i]).sum();
    assert!((right as f64 / all as f64 - accuracy).abs() < 1e-12);
    // Of the digits 1 and 3, 182 - 18 - 36 and 183 - 18 - 37 are learned from, 128 both, the most: the first is always said.
    assert_eq!(results.baseline_figure("most_frequent_class", "accuracy"), Some(36.0 / 359.0));
    assert_eq!(results.metrics["classification_report"]["3"]["support"], 37);
    report_says(
        out.path(),
        &["CC BY 4.0", "Alpaydin", "## What to look at", "of the test pictures are recognised"],
    );

    // The first lines of the file are 0 to 9 in turn.
    let file = include_str!("../data/digits.csv");
    let rows: Vec<Vec<f64>> = file
        .lines()
        .take(10)
        .map(|line| line.split(',').take(64).map(|x| x.parse().unwrap()).collect())
        .collect();
    let answer = ask(out.path(), &json!({ "data": rows })).unwrap().values;
    let said: Vec<&str> =
        answer["predictions"].as_array().unwrap().iter().map(|p| p["class"].as_str().unwrap()).collect();
    let right = said.iter().zip(0..).filter(|(class, digit)| **class == digit.to_string()).count();
    assert!(right >= 9, "{said:?}");
    assert_eq!(answer["prediction"], said[0]);
    let sum: f64 = answer["predictions"][0]["probabilities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p.as_f64().unwrap())
        .sum();
    assert!((sum - 1.0).abs() < 1e-5);

    let refused = |request: Value| ask(out.path(), &request).unwrap_err().to_string();
    let mut short = rows.clone();
    short[1].pop();
    // A picture in the scale of most files.
    let mut bright = vec![16.0; 64];
    bright[5] = 255.0;
    let picture = "a picture is a list of 64 numbers, 1 by 8 by 8 (channels, height, width)";
    for (request, why) in [
        (json!([]), "expected an object with the key `data`".to_owned()),
        (json!({}), format!("/data: expected a list of pictures; {picture}")),
        (json!({"data": []}), "/data: 0 pictures; 1 to 1000 are allowed".to_owned()),
        (json!({"data": short}), format!("/data/1: {picture}; found 63 entries")),
        (json!({"data": [7]}), format!("/data/0: {picture}; found the number 7")),
        (
            json!({"data": [vec!["x"; 64]]}),
            "/data/0/0: expected a number from 0 to 16, found the text \"x\"".to_owned(),
        ),
        (
            json!({"data": [rows[0], bright]}),
            "/data/1/5: expected a number from 0 to 16, found the number 255.0".to_owned(),
        ),
        (
            json!({"data": [vec![-0.5; 64]]}),
            "/data/0/0: expected a number from 0 to 16, found the number -0.5".to_owned(),
        ),
        (json!({"datum": rows}), "/datum: unknown key; allowed: `data`".to_owned()),
    ] {
        assert_eq!(refused(request), format!("the request is invalid: {why}"));
    }
}

fn small(training: &Value) -> Value {
    let mut config = json!({
        "pipeline_name": "image_classifier",
        "model_params": {"channels": [4], "hidden_sizes": [16]},
        "augmentation": {"shift": 1, "noise": 0.05, "crop": 0.9},
        "training_params": {"epochs": 2},
    });
    config["training_params"].as_object_mut().unwrap().extend(training.as_object().unwrap().clone());
    config
}

#[test]
fn equal_seeds_give_equal_bytes_whatever_the_number_of_threads() {
    let voice = |seed: u64| {
        json!({
            "pipeline_name": "voice_generator",
            "data_sourcing": {"seconds": 1.0},
            "model_params": {"hidden_size": 16, "embedding_size": 8, "sequence_length": 50},
            "training_params": {"epochs": 1, "seed": seed},
            "generation": {"seconds": 0.05},
        })
    };
    let files =
        ["results.json", "model.safetensors", "inputs.json", "report.md", "report.html", "images/loss.svg"];
    let made = |config: &Value, threads: usize, more: &str| {
        let out = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(config, &Sources::default(), out.path())).unwrap();
        bytes(out.path(), &[&files[..], &[more]].concat())
    };
    for (config, other, more) in [
        (small(&json!({})), small(&json!({"seed": 1})), "images/mistakes.svg"),
        (voice(42), voice(1), "generated_sample.wav"),
    ] {
        let one = made(&config, 1, more);
        assert!(made(&config, 3, more) == one);
        assert!(made(&other, 1, more)[1] != one[1]);
    }
}

#[test]
fn a_dense_network_on_pictures_of_ones_own() {
    // Two classes that differ in which half is bright.
    let line = |i: usize| {
        let bright = |x: usize| if (x < 2) == i.is_multiple_of(2) { 200 + i % 7 } else { i % 5 };
        let row: Vec<String> = (0..4).map(|x| bright(x).to_string()).collect();
        format!(
            "{},{}\n",
            if i.is_multiple_of(2) { "left" } else { "right" },
            vec![row.join(","); 4].join(",")
        )
    };
    let header = format!("label,{}\n", (0..16).map(|i| format!("p{i}")).collect::<Vec<_>>().join(","));
    let csv = header + &(0..60).map(line).collect::<String>();
    let sources = Sources::new(Datasets::empty().with(DatasetFile::images("halves", csv.into_bytes())));
    let config = json!({
        "pipeline_name": "image_classifier",
        "data_sourcing": {"dataset": "halves"},
        "model_params": {"kind": "mlp", "hidden_sizes": []},
        "training_params": {"epochs": 10, "lr": 0.05, "validation_size": 0},
    });
    let out = tempfile::tempdir().unwrap();
    let results = run(&config, &sources, out.path()).unwrap();
    assert_eq!(results.figure("accuracy"), Some(1.0));
    report_says(
        out.path(),
        &["Every picture of every class was found.", "There are none: all 12 test pictures were recognised."],
    );
}

#[test]
fn what_the_pictures_say_against_a_config() {
    let sources = Sources::default();
    let of = |change: Value| {
        let mut config = json!({"pipeline_name": "image_classifier"});
        config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        problems(&config, &sources)
    };
    for (change, problem) in [
        (
            json!({"data_sourcing": {"dataset": "co2"}}),
            "/data_sourcing/dataset: the data set `co2` is a table; pictures are needed",
        ),
        (
            json!({"data_sourcing": {"file": "x"}}),
            "/data_sourcing/file: files can be named on the command line only; name a data set instead",
        ),
        (json!({"data_sourcing": {"height": 8}}), "/data_sourcing/width: is needed beside `height`"),
        (
            json!({"augmentation": {"shift": 8}}),
            "/augmentation/shift: moves pictures of 8 by 8 pixels out of sight; at most 7",
        ),
        (
            json!({"data_sourcing": {"height": 8, "width": 9}}),
            "/data_sourcing/dataset: line 1: 64 pixels are no picture of 8 by 9, with one channel or three",
        ),
        (json!({"model_params": {"channels": [0]}}), "/model_params/channels/0: `0` is below the minimum 1"),
        // 16 · 10 + 32 · 145 of convolutions; 4096 · (2 · 2 · 32 + 1) + 2 · 4096 · 4097 + 10 · 4097.
        (
            json!({"model_params": {"hidden_sizes": [4096, 4096, 4096]}}),
            "/model_params: the model would have 34136778 parameters; at most 20000000",
        ),
        (
            json!({"training_params": {"validation_size": 0, "early_stopping": {}}}),
            "/training_params/early_stopping: watches the validation loss, but `validation_size` is 0",
        ),
        (
            json!({"training_params": {"test_size": 0.001}}),
            "/data_sourcing/dataset: the class `0` has 178 pictures, too few for one in the test part",
        ),
    ] {
        assert_eq!(of(change), [problem]);
    }
    let forecaster = json!({"pipeline_name": "csv_forecaster", "data_sourcing": {"dataset": "digits"}});
    assert_eq!(
        problems(&forecaster, &sources),
        ["/data_sourcing/dataset: the data set `digits` holds pictures; a table is needed"]
    );
    let one_class = DatasetFile::images("one", &b"1,7\n2,7\n"[..]);
    let sources = Sources::new(Datasets::empty().with(one_class));
    let config = json!({"pipeline_name": "image_classifier", "data_sourcing": {"dataset": "one"}});
    assert_eq!(
        problems(&config, &sources),
        ["/data_sourcing/dataset: all pictures are of one class, `7`; two or more are needed"]
    );
}

#[test]
fn the_default_voice_learns_and_is_heard() {
    let out = tempfile::tempdir().unwrap();
    // The first seven of twenty epochs: the default run has fallen by half before its end.
    let config = json!({"pipeline_name": "voice_generator", "training_params": {"epochs": 7}});
    let results = run(&config, &Sources::default(), out.path()).unwrap();
    let losses = results.history.get("loss");
    // The first epoch's mean already has much of the fall in it; what nothing has been learned of costs ln 256.
    let (first, last) = (losses[0].unwrap(), results.final_loss.unwrap());
    assert!(last < first / 2.0, "{first} to {last}");
    assert_eq!(results.baseline_figure("uniform", "cross_entropy"), Some(256.0_f64.ln()));
    assert!(results.figure("perplexity") < results.baseline_figure("unigram", "perplexity"));
    let AudioResults { generated_audio, .. } = results.extra_as().unwrap();
    assert_eq!((generated_audio.sample_rate, generated_audio.seconds), (8000, 2.0));
    let made = Audio::open(&out.path().join(&generated_audio.file_name)).unwrap();
    assert_eq!((made.rate, made.samples.len()), (8000, 16_000));
    assert!(made.samples.iter().any(|x| x.abs() > 0.05), "silence");
    report_says(out.path(), &["## What to look at", "generated_sample.wav", "A melody made by the program"]);

    let asked = |request: Value| {
        let prediction = ask(out.path(), &request).unwrap();
        let [(name, wav)] = &prediction.files[..] else { panic!("one file") };
        assert_eq!(prediction.values["generated_audio"]["file_name"], name.as_str());
        Audio::from_wav(wav).unwrap()
    };
    assert_eq!(asked(json!({})), made, "as it was made in the run");
    let seed = |seed: u64| asked(json!({"prediction_steps": 300, "seed": seed, "temperature": 1.0}));
    assert_eq!((seed(1).samples.len(), seed(1)), (300, seed(1)));
    assert_ne!(seed(1), seed(2));
    assert_eq!(asked(json!({"seconds": 0.01})).samples.len(), 80);
    let error = ask(out.path(), &json!({"seconds": 1, "prediction_steps": 5})).unwrap_err().to_string();
    assert_eq!(error, "the request is invalid: /seconds: say either `prediction_steps` or `seconds`");
    let error = ask(out.path(), &json!({"seconds": 20.001})).unwrap_err().to_string();
    assert_eq!(
        error,
        "the request is invalid: /seconds: 20.001 s are 160008 samples at 8000 Hz; at most 160000, which are 20.00 s, are made at once"
    );
    let error = ask(out.path(), &json!({"prediction_steps": 160_001})).unwrap_err().to_string();
    assert_eq!(error, "the request is invalid: /prediction_steps: `160001` is above the maximum 160000");
    let error = ask(out.path(), &json!({"temperature": -1})).unwrap_err().to_string();
    assert_eq!(error, "the request is invalid: /temperature: `-1` is below the minimum 0");
}

#[test]
fn what_the_sound_says_against_a_config() {
    let wav = Audio::melody(11_025, 0.2).to_wav();
    let sets = Datasets::bundled()
        .with(DatasetFile::audio("short", wav.clone()))
        .with(DatasetFile::audio("broken", wav[..100].to_vec()))
        .with(DatasetFile::audio("empty", Audio::new(8000, Vec::new()).to_wav()));
    let sources = Sources::new(sets);
    let of = |sourcing: Value| {
        problems(&json!({"pipeline_name": "voice_generator", "data_sourcing": sourcing}), &sources)
    };
    // 2205 samples become 1600, of which 160 are the validation part.
    assert_eq!(
        of(json!({"dataset": "short"})),
        [
            "/model_params/sequence_length: windows of 200 samples do not fit: the smallest part (validation) has 160 samples, which \
             allows at most 159"
        ]
    );
    assert_eq!(
        of(json!({"dataset": "empty"})),
        [
            "/data_sourcing/dataset: 0 samples are too few: the test part would have 0 samples, and 2 are needed, one to look at and \
             one to foresee"
        ]
    );
    assert_eq!(
        of(json!({"dataset": "broken"})),
        ["/data_sourcing/dataset: the WAV: byte 40: its data should be 4410 bytes long, but only 56 follow"]
    );
    assert_eq!(
        of(json!({"dataset": "digits"})),
        ["/data_sourcing/dataset: the data set `digits` holds pictures; sound is needed"]
    );
    assert_eq!(
        of(json!({"file": "x.wav"})),
        ["/data_sourcing/file: files can be named on the command line only; name a data set instead"]
    );
}
