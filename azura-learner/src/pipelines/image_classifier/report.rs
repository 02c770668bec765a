//! The report of a classifier: how good it is in words, figures for each class, what it takes for what, and the pictures that it is most wrong about.

use super::{
    config::{Config, ModelKind},
    prepare::Prepared,
};
use crate::{
    data::{Datasets, Pictures},
    metrics::Confusion,
    pipelines::{
        about::about,
        course::{course, loss_chart},
    },
    report::{Matrix, Report, Sheet, code, config_table, number, table},
    results::{ClassificationResults, Results},
};

/// Mistakes that are shown.
const SHOWN: usize = 12;
/// Classes in the table at most.
const LISTED: usize = 50;

/// Writes a run's report; nothing in it depends on time or machine. `said` is the class of each picture of the test part, and how sure the model was.
pub(super) fn report(
    config: &Config,
    datasets: &Datasets,
    prepared: &Prepared,
    results: &Results,
    said: &[(u32, f32)],
) -> Result<Report, serde_json::Error> {
    let ClassificationResults { confusion_matrix, class_names, .. } = results.extra_as()?;
    let truth: Vec<u32> = (0..prepared.test.len()).map(|i| prepared.test.label(i)).collect();
    let found =
        Confusion::new(class_names.len(), &truth, &said.iter().map(|said| said.0).collect::<Vec<_>>());
    let mut wrong: Vec<usize> = (0..said.len()).filter(|&i| said[i].0 != truth[i]).collect();
    wrong.sort_by(|&a, &b| said[b].1.total_cmp(&said[a].1));
    let sourcing = &config.data_sourcing;
    let markdown = format!(
        "# Classes of pictures\n\n{}\n\n## What to look at\n\n- {}\n\n## How good it is\n\n{}\n\
         ![Which class was taken for which](images/confusion.svg)\n\n\
         ## The most confident mistakes\n\n{}\n\n![Pictures that were taken for something else](images/mistakes.svg)\n\n\
         ## Training\n\n{} The loss is the cross entropy.\n\n![Loss by epoch](images/loss.svg)\n\n\
         ## Data\n\n{}\n\n{}\nEach class is split by itself, and only the training part decides how pixels are scaled.\n\n\
         ## Config\n\n{}",
        introduction(config, prepared),
        findings(results, &found, &class_names).join("\n- "),
        figures(&found, &class_names),
        mistakes(wrong.len(), said.len()),
        course(&results.history).join(" "),
        about(sourcing.file.as_deref(), &sourcing.dataset, datasets),
        parts(prepared),
        config_table(&serde_json::to_value(config)?),
    );
    let accuracy = number(results.figure("accuracy").map(|a| 100.0 * a));
    let confusion = Matrix::new(format!("Test part: accuracy {accuracy} %"), &class_names, &confusion_matrix);
    let images = vec![
        ("confusion.svg".into(), confusion.svg()),
        ("loss.svg".into(), loss_chart(&results.history, "cross entropy")),
        ("mistakes.svg".into(), sheet(prepared, &class_names, &wrong, said, &truth)),
    ];
    Ok(Report::new(markdown, images))
}

fn introduction(config: &Config, prepared: &Prepared) -> String {
    let model = &config.model_params;
    let [channels, height, width] = prepared.inputs.shape;
    let list = |sizes: &[usize]| sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let name = match model.kind {
        ModelKind::Cnn => format!("A convolutional network with {} channels", list(&model.channels)),
        ModelKind::Mlp => "A dense network".into(),
    };
    let hidden = match &model.hidden_sizes[..] {
        [] => String::new(),
        sizes => format!(" and dense layers of {} units", list(sizes)),
    };
    format!(
        "{name}{hidden} looks at pictures of {height} by {width} pixels in {} and says which of {} classes they are of. It learned from {} \
         pictures; {} others were kept back to judge it by.",
        if channels == 1 { "grey" } else { "colour" },
        prepared.inputs.class_names.len(),
        prepared.train.len(),
        prepared.test.len(),
    )
}

/// What the numbers show, a sentence each.
fn findings(results: &Results, found: &Confusion, names: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    if let (Some(model), Some(base)) =
        (results.figure("accuracy"), results.baseline_figure("most_frequent_class", "accuracy"))
    {
        let (model, base, better) = (percent(model), percent(base), model > base);
        words.push(if better {
            format!("**{model} of the test pictures are recognised.** Always saying the most frequent class would be right for {base}.")
        } else {
            format!("**No better than always saying the most frequent class**: {model} of the test pictures are recognised, and {base} that way.")
        });
    }
    let figures = || (0..names.len()).map(|i| (i, found.figures(i)));
    let worst = figures()
        .filter(|(_, f)| f.support > 0)
        .reduce(|worst, next| if next.1.recall < worst.1.recall { next } else { worst });
    if let Some((i, worst)) = worst {
        let name = code(&names[i]);
        words.push(if worst.recall < 1.0 {
            format!("{name} is found least often: {} of {}.", percent(worst.recall), worst.support)
        } else {
            "Every picture of every class was found.".into()
        });
    }
    if let Some((truth, said, count)) = found.most_confused() {
        let all = found.figures(truth).support;
        let (truth, said) = (code(&names[truth]), code(&names[said]));
        words.push(format!(
            "The most frequent mistake: {truth} was taken for {said}, {count} of {all} times."
        ));
    }
    words
}

fn figures(found: &Confusion, names: &[String]) -> String {
    let row = |(i, name): (usize, &String)| {
        let class = found.figures(i);
        let [precision, recall, f1] = [class.precision, class.recall, class.f1].map(|x| format!("{x:.3}"));
        [code(name), precision, recall, f1, class.support.to_string()]
    };
    let rows: Vec<[String; 5]> = names.iter().enumerate().take(LISTED).map(row).collect();
    let more = match names.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("\n{more} more classes are in `results.json`.\n"),
    };
    let table = table(["class", "precision", "recall", "F1", "test pictures"], &rows);
    format!(
        "{table}{more}\nPrecision is the share of what was taken for a class that is of it, recall the share of a class that was found, F1 their harmonic mean.\n"
    )
}

fn mistakes(wrong: usize, all: usize) -> String {
    match wrong {
        0 => format!("There are none: all {all} test pictures were recognised."),
        1 => format!("Of {all} test pictures one was taken for something else."),
        _ => format!(
            "Of {all} test pictures {wrong} were taken for something else. Here are those that the model was surest of{}.",
            if wrong > SHOWN { format!(", the first {SHOWN}") } else { String::new() }
        ),
    }
}

fn sheet(
    prepared: &Prepared,
    names: &[String],
    wrong: &[usize],
    said: &[(u32, f32)],
    truth: &[u32],
) -> String {
    let sheet = Sheet::new("The most confident mistakes")
        .subtitle("what it is, and what it was taken for, with the model's probability");
    let add = |sheet: Sheet, &i: &usize| {
        let (class, probability) = said[i];
        let lines = [
            names[truth[i] as usize].clone(),
            format!("{} ({:.0} %)", names[class as usize], 100.0 * probability),
        ];
        let picture = prepared.images.image(prepared.test.indices()[i]);
        sheet.picture(lines, picture, prepared.inputs.shape, prepared.inputs.range)
    };
    wrong.iter().take(SHOWN).fold(sheet, add).svg()
}

fn parts(prepared: &Prepared) -> String {
    let row =
        |name: &str, part: Option<&Pictures>| [name.to_owned(), part.map_or(0, Pictures::len).to_string()];
    let rows = [
        row("training", Some(&prepared.train)),
        row("validation", prepared.validation.as_ref()),
        row("test", Some(&prepared.test)),
    ];
    table(["part", "pictures"], &rows)
}
