//! The report of a generator: how well it foresees sound, in words and numbers, and what it made beside what it heard.

use super::{SAMPLE, config::Config, prepare::Prepared};
use crate::{
    data::{Audio, Datasets, MuLaw},
    pipelines::{
        about::about,
        course::{course, loss_chart},
    },
    report::{Chart, Colour, Report, code, config_table, number, table},
    results::Results,
};

/// Writes a run's report; nothing in it depends on time or machine.
pub(super) fn report(
    config: &Config,
    datasets: &Datasets,
    prepared: &Prepared,
    results: &Results,
    made: &Audio,
) -> Result<Report, serde_json::Error> {
    let markdown = format!(
        "# Sound like a recording\n\n{}\n\n## What to look at\n\n- {}\n\n## How good it is\n\n{}\n\
         A perplexity of n means that the next sample is as hard to foresee as one of n equally likely levels; it is e to the cross entropy.\n\n\
         ## What it made\n\n{}\n\n![The recording and what was made](images/waveform.svg)\n\n![A short piece of both](images/detail.svg)\n\n\
         ## Training\n\n{} The loss is the cross entropy in nats.\n\n![Loss by epoch](images/loss.svg)\n\n\
         ## Data\n\n{}\n\n{}\nPieces never cross from one part into another.\n\n## Config\n\n{}",
        introduction(config, prepared),
        findings(results, prepared, made).join("\n- "),
        figures(results),
        sample(config, made),
        course(&results.history).join(" "),
        source(config, datasets),
        parts(prepared),
        config_table(&serde_json::to_value(config)?),
    );
    let images = vec![
        ("loss.svg".into(), loss_chart(&results.history, "cross entropy, nats")),
        ("waveform.svg".into(), wave("The end of the recording, and what was made", prepared, made, 2.0)),
        ("detail.svg".into(), wave("The same, close up", prepared, made, 0.03)),
    ];
    Ok(Report::new(markdown, images))
}

fn introduction(config: &Config, prepared: &Prepared) -> String {
    let model = &config.model_params;
    let layers =
        if model.num_layers > 1 { format!("{} layers of ", model.num_layers) } else { String::new() };
    format!(
        "An LSTM with {layers}{} units hears sound as {} levels (µ-law), {} of them a second, and says which comes next. It learned from {} s of sound, in \
         pieces of {} samples; the last {} s were kept back to judge it by.",
        model.hidden_size,
        MuLaw::LEVELS,
        prepared.audio.rate,
        seconds(prepared.parts.train.len(), prepared),
        model.sequence_length,
        seconds(prepared.parts.test.len(), prepared),
    )
}

fn seconds(samples: usize, prepared: &Prepared) -> String {
    format!("{:.2}", samples as f64 / f64::from(prepared.audio.rate))
}

/// What the numbers show, a sentence each.
fn findings(results: &Results, prepared: &Prepared, made: &Audio) -> Vec<String> {
    let mut words = Vec::new();
    let (model, base) = (results.figure("perplexity"), results.baseline_figure("unigram", "perplexity"));
    if let (Some(model), Some(base)) = (model, base) {
        let [told_model, told_base] = [model, base].map(|x| number(Some(x)));
        words.push(if model < base {
            format!(
                "**The next sample is foreseen as well as one of {told_model} levels.** Knowing only how often each level occurs, it would be one of {told_base}."
            )
        } else {
            format!(
                "**No better than knowing how often each level occurs**: the next sample is foreseen as well as one of {told_model} levels, that way as well as one of {told_base}."
            )
        });
    }
    let losses: Vec<f64> = results.history.get("loss").iter().copied().flatten().collect();
    if let [first, .., last] = losses[..] {
        let share = 100.0 * last / first;
        let half = if share < 50.0 { "below half" } else { "not yet half" };
        words.push(format!("The training loss ended at {share:.0} % of the first epoch's, {half}."));
    }
    let recording =
        &prepared.audio.samples[prepared.audio.samples.len().saturating_sub(made.samples.len())..];
    let (heard, sounds) = (loudness(recording), loudness(&made.samples));
    words.push(if sounds < 0.001 {
        "**What it made is silence.** A higher temperature or more training may help.".into()
    } else if heard < 0.001 {
        "The end of the recording is silent; what it made is not.".into()
    } else {
        format!(
            "What it made is {:.0} % as loud as as much of the recording's end (root of the mean square {}, and {}).",
            100.0 * sounds / heard,
            number(Some(sounds)),
            number(Some(heard)),
        )
    });
    words
}

/// The root of the mean square.
fn loudness(samples: &[f32]) -> f64 {
    let squares: f64 = samples.iter().map(|&x| f64::from(x).powi(2)).sum();
    (squares / samples.len().max(1) as f64).sqrt()
}

fn figures(results: &Results) -> String {
    let base = |name: &str, told: &str| {
        let figure = |metric| number(results.baseline_figure(name, metric));
        [told.to_owned(), figure("cross_entropy"), figure("perplexity")]
    };
    let figure = |metric| number(results.figure(metric));
    let rows = [
        ["model".to_owned(), figure("cross_entropy"), figure("perplexity")],
        base("unigram", "how often each level occurs in the training part"),
        base("uniform", "every level alike"),
    ];
    table(["test part", "cross entropy (nats a sample)", "perplexity"], &rows)
}

fn sample(config: &Config, made: &Audio) -> String {
    let temperature = config.generation.temperature;
    let drawn = if temperature > 0.0 {
        format!("drawn at temperature {temperature}")
    } else {
        "always the likeliest".into()
    };
    format!(
        "{} holds {:.2} s of sound that goes on where the recording ends, {drawn}.",
        code(SAMPLE),
        made.seconds(),
    )
}

fn source(config: &Config, datasets: &Datasets) -> String {
    let sourcing = &config.data_sourcing;
    match (&sourcing.file, &sourcing.dataset) {
        (None, None) => "A melody made by the program: plucked notes of a pentatonic phrase, on four roots in turn, again every eight seconds.".into(),
        (file, dataset) => about(file.as_deref(), dataset.as_deref().unwrap_or_default(), datasets),
    }
}

fn parts(prepared: &Prepared) -> String {
    let row = |name: &str, part: &std::ops::Range<usize>| {
        [name.to_owned(), part.len().to_string(), seconds(part.len(), prepared)]
    };
    let parts = &prepared.parts;
    let rows =
        [row("training", &parts.train), row("validation", &parts.validation), row("test", &parts.test)];
    table(["part", "samples", "seconds"], &rows)
}

/// So many seconds before the end of the recording, and as many of what was made after it.
fn wave(title: &str, prepared: &Prepared, made: &Audio, most: f64) -> String {
    let rate = f64::from(made.rate);
    let wanted = (most * rate) as usize;
    let heard = &prepared.audio.samples[prepared.audio.samples.len().saturating_sub(wanted)..];
    let made = &made.samples[..made.samples.len().min(wanted)];
    let (before, after) = (heard.len(), made.len());
    let milliseconds = (0..before + after).map(|i| (i as f64 - before as f64) / rate * 1000.0);
    let value = |&x: &f32| Some(f64::from(x));
    let none = |count| std::iter::repeat_n(None, count);
    Chart::over_numbers(title, milliseconds)
        .subtitle("the recording ends at 0")
        .x_label("ms")
        .y_label("sample")
        .line("recording", Colour::Slate, heard.iter().map(value).chain(none(after)))
        .line("made", Colour::Indigo, none(before).chain(made.iter().map(value)))
        .svg()
}
