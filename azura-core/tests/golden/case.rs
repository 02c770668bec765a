//! One line of ops.txt: how ops.py writes it, and what is done with it.

use crate::{
    digest::Digest,
    generator::{Numbers, fnv1a},
    ops,
};
use azura_core::{Ids, Mask, Param, Tensor, ndarray};
use ndarray::{ArcArray, IxDyn};
use std::{collections::BTreeMap, str::FromStr};

pub(crate) struct Case<'a> {
    /// The operation, its inputs and options.
    text: &'a str,
    tolerance: f64,
    /// Of the output, and of the gradient by each input that is no constant.
    digests: Vec<Digest>,
}

/// What an operation is called with.
#[derive(Default)]
pub(crate) struct Arguments<'a> {
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) ids: Vec<Ids>,
    pub(crate) masks: Vec<Mask>,
    pub(crate) bits: Vec<u32>,
    options: BTreeMap<&'a str, &'a str>,
    /// Those that a gradient is asked for.
    params: Vec<Param>,
}

impl<'a> Case<'a> {
    pub(crate) fn parse(line: &'a str) -> Self {
        let mut parts = line.split(" | ");
        Self {
            text: parts.next().unwrap(),
            tolerance: parts.next().unwrap().parse().unwrap(),
            digests: parts.map(Digest::parse).collect(),
        }
    }

    /// Runs the operation and its derivative on the numbers that make.py had.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut numbers = Numbers(fnv1a(self.text.as_bytes()));
        let mut words = self.text.split(' ');
        let op = words.next().unwrap();
        let mut arguments = Arguments::default();
        for word in words {
            match word.split_once('=') {
                Some((key, value)) => drop(arguments.options.insert(key, value)),
                None => arguments.read(word, &mut numbers),
            }
        }
        let fail = |error: azura_core::Error| format!("{}: {error}", self.text);
        let y = ops::apply(op, &arguments).map_err(fail)?;
        let weights = numbers.values(y.len(), 1.0, 0.0);
        let weights_as_y = Tensor::from_vec(y.shape(), weights.clone()).map_err(fail)?;
        let loss = y.mul(&weights_as_y).and_then(|y| y.sum_all()).map_err(fail)?;

        let mut digests = self.digests.iter();
        let mut compare = |what: &str, values: &[f32], weights: Option<&[f32]>| {
            let what = format!("{}: {what}", self.text);
            digests.next().unwrap().check(&what, values, weights, &mut numbers, self.tolerance)
        };
        compare("y", &y.to_vec(), Some(&weights))?;
        if !arguments.params.is_empty() {
            let grads = loss.backward().map_err(fail)?;
            for (i, param) in arguments.params.iter().enumerate() {
                let grad = grads.get(param).ok_or_else(|| format!("{}: no gradient {i}", self.text))?;
                let grad: Vec<f32> = grad.iter().copied().collect();
                compare(&format!("gradient {i}"), &grad, None)?;
            }
        }
        assert!(digests.next().is_none(), "{}: fewer gradients than PyTorch has", self.text);
        Ok(())
    }
}

fn shape_of(text: &str) -> Vec<usize> {
    if text == "s" { Vec::new() } else { text.split('x').map(|n| n.parse().unwrap()).collect() }
}

/// `SHAPE*SCALE+OFFSET` or `SHAPE*SCALE-OFFSET`; the sign of an exponent is none.
fn split_range(text: &str) -> (&str, f32, f32) {
    let Some((shape, rest)) = text.split_once('*') else { return (text, 1.0, 0.0) };
    let bytes = rest.as_bytes();
    let sign = |&i: &usize| matches!(bytes[i], b'+' | b'-') && bytes[i - 1] != b'e';
    let (scale, offset) = rest.split_at((1..bytes.len()).find(sign).unwrap_or(bytes.len()));
    (shape, scale.parse().unwrap(), if offset.is_empty() { 0.0 } else { offset.parse().unwrap() })
}

impl Arguments<'_> {
    /// Takes in an input; ops.py says how they are written.
    fn read(&mut self, word: &str, numbers: &mut Numbers) {
        if let Some((kind, shape)) = word.split_once('/') {
            let (shape, kind) = (shape_of(shape), kind.split_at(1));
            match kind {
                ("i", below) => {
                    let below = below.parse().unwrap();
                    let draw = || numbers.below(below) as u32;
                    self.ids.push(ArcArray::from_shape_simple_fn(IxDyn(&shape), draw));
                }
                ("m", _) => {
                    self.masks.push(ArcArray::from_shape_simple_fn(IxDyn(&shape), || numbers.below(4) > 0));
                }
                ("b", _) => {
                    self.bits = (0..shape.iter().product()).map(|_| (numbers.next() >> 32) as u32).collect();
                }
                _ => panic!("no input of kind {kind:?}"),
            }
            return;
        }
        let constant = word.starts_with('!');
        let (word, whole) =
            word.trim_start_matches('!').split_once('%').map_or((word, None), |(a, b)| (a, Some(b)));
        let (word, scale, offset) = split_range(word.trim_start_matches('!'));
        let (shape, layout) = word.split_once(':').unwrap_or((word, ""));
        let shape = shape_of(shape);
        let mut stored = shape.clone();
        match layout {
            "t" => stored.reverse(),
            "v" => *stored.last_mut().unwrap() += 3,
            _ => {}
        }
        let count = stored.iter().product();
        let values = match whole {
            Some(n) => {
                let n: i64 = n.parse().unwrap();
                let whole = |_| (numbers.below(2 * n as u64 + 1) as i64 - n) as f32 * scale + offset;
                (0..count).map(whole).collect()
            }
            None => numbers.values(count, scale, offset),
        };
        let data = Tensor::from_vec(&stored, values).unwrap().into_data();
        let param = Param::new(data);
        let leaf = if constant { param.constant() } else { param.tracked() };
        let rank = shape.len() as isize;
        let seen = match layout {
            "" => leaf,
            "t" => leaf.permute(&(0..rank).rev().collect::<Vec<_>>()).unwrap(),
            "r" => leaf.flip(&(0..rank).collect::<Vec<_>>()).unwrap(),
            "v" => leaf.slice(-1, 1..shape[shape.len() - 1] + 1).unwrap(),
            _ => panic!("no layout `{layout}`"),
        };
        assert_eq!(seen.shape(), shape);
        self.tensors.push(seen);
        if !constant {
            self.params.push(param);
        }
    }

    fn option(&self, key: &str) -> &str {
        self.options.get(key).unwrap_or_else(|| panic!("no option `{key}`"))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.options.contains_key(key)
    }

    /// A number or a truth value.
    pub(crate) fn get<T: FromStr<Err: std::fmt::Debug>>(&self, key: &str) -> T {
        self.option(key).parse().unwrap()
    }

    /// A word, in quotes.
    pub(crate) fn word(&self, key: &str) -> &str {
        self.option(key).trim_matches('"')
    }

    /// Numbers in brackets.
    pub(crate) fn list<T: FromStr<Err: std::fmt::Debug>>(&self, key: &str) -> Vec<T> {
        let numbers = self.option(key).trim_matches(['[', ']']).split(',');
        numbers.filter(|number| !number.is_empty()).map(|number| number.parse().unwrap()).collect()
    }

    /// Two numbers in brackets.
    pub(crate) fn pair(&self, key: &str) -> [usize; 2] {
        self.list(key).try_into().unwrap()
    }
}
