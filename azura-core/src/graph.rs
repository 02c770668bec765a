//! The graph: built while the forward pass runs, walked once by `backward`.

use crate::{Data, Element, Error, Grads, Result, TensorBase, param::ParamId};
use ndarray::{Dimension, IxDyn};
use std::{
    any::Any,
    cell::RefCell,
    collections::BTreeMap,
    fmt, mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The derivative of one operation: takes the gradient with respect to the output and returns that with respect to
/// each input, in their order; `None` for an input that needs none. It owns exactly what it needs.
pub type Vjp<E> = Box<dyn FnOnce(Data<E>) -> Result<Vec<Option<Data<E>>>> + Send>;

/// The derivative of a part of something: adds the gradient with respect to the part to that of the whole. A fresh
/// gradient of the whole for each part would make the cost of `n` parts grow with `n^2`.
pub(crate) type Part<E> = Box<dyn FnOnce(&Data<E>, &mut Data<E>) + Send>;

/// What an operation sees of its inputs.
#[derive(Debug)]
pub struct Inputs<'a, E: Element>(&'a [&'a TensorBase<E>]);

impl<E: Element> Inputs<'_, E> {
    /// The elements of input `i`.
    ///
    /// # Panics
    /// If there is no input `i`.
    pub fn data(&self, i: usize) -> &Data<E> {
        self.0[i].data()
    }

    /// Whether input `i` wants a gradient. What only serves the gradient of an input that needs none should be
    /// neither saved nor computed.
    pub fn needs(&self, i: usize) -> bool {
        self.0.get(i).is_some_and(|input| input.is_tracked())
    }

    /// Whether any input wants a gradient. If not, the derivative is dropped unused.
    pub fn any(&self) -> bool {
        self.0.iter().any(|input| input.is_tracked())
    }
}

/// One tracked value: a parameter, or the output of an operation.
pub(crate) struct Node<E: Element> {
    /// Greater than the ids of all parents, so that falling ids are a topological order.
    id: u64,
    shape: IxDyn,
    parents: Vec<Option<Arc<Node<E>>>>,
    kind: Kind<E>,
}

enum Kind<E: Element> {
    Leaf(ParamId),
    Op { name: &'static str, derivative: Mutex<Option<Derivative<E>>> },
}

enum Derivative<E: Element> {
    Vjp(Vjp<E>),
    Part(Part<E>),
}

/// Ids only order nodes; nothing else is shared between graphs.
fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl<E: Element> Node<E> {
    pub(crate) fn leaf(param: ParamId, data: &Data<E>) -> Arc<Self> {
        Arc::new(Self { id: next_id(), shape: data.raw_dim(), parents: Vec::new(), kind: Kind::Leaf(param) })
    }

    pub(crate) fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Leaf(_) => "param",
            Kind::Op { name, .. } => name,
        }
    }
}

impl<E: Element> fmt::Debug for Node<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.id).field("op", &self.name()).finish_non_exhaustive()
    }
}

/// Iterative, so that a long chain does not overflow the stack.
impl<E: Element> Drop for Node<E> {
    fn drop(&mut self) {
        let mut rest = mem::take(&mut self.parents);
        while let Some(parent) = rest.pop() {
            if let Some(mut node) = parent.and_then(Arc::into_inner) {
                rest.append(&mut node.parents);
            }
        }
        // A derivative that was never called may hold tensors with nodes of their own.
        if let Kind::Op { derivative, .. } = &mut self.kind
            && let Some(derivative) = derivative.get_mut().unwrap_or_else(PoisonError::into_inner).take()
        {
            drop_later(Box::new(derivative));
        }
    }
}

/// Drops what may drop further nodes: in turn, and not one within the other.
fn drop_later(item: Box<dyn Any>) {
    thread_local! {
        /// What waits, while something is being dropped.
        static WAITING: RefCell<Option<Vec<Box<dyn Any>>>> = const { RefCell::new(None) };
    }
    let mut next = Some(item);
    // Fails only while the thread ends; then `next` is dropped here, within.
    let begun = WAITING.try_with(|waiting| {
        let mut waiting = waiting.borrow_mut();
        match (&mut *waiting, next.take()) {
            (Some(waiting), item) => {
                waiting.extend(item);
                false
            }
            (none, item) => {
                *none = Some(Vec::from_iter(item));
                true
            }
        }
    });
    if begun == Ok(true) {
        while let Some(item) = WAITING.with_borrow_mut(|waiting| waiting.as_mut().and_then(Vec::pop)) {
            drop(item);
        }
        WAITING.set(None);
    }
}

impl<E: Element> TensorBase<E> {
    /// The one way to make an operation, for this crate and for others.
    ///
    /// `f` runs now. It returns the output and its derivative; the derivative is kept only if an input is tracked.
    /// An operation has one output; several outputs are packed into one and sliced.
    ///
    /// ```
    /// use azura_core::{Param, Result, Tensor};
    ///
    /// /// `x^3`, with derivative `3 x^2`.
    /// fn cube(x: &Tensor) -> Result<Tensor> {
    ///     Tensor::record("cube", &[x], |inputs| {
    ///         let x = inputs.data(0).clone();
    ///         let y = x.mapv(|x| x * x * x).into_shared();
    ///         Ok((y, Box::new(move |grad| {
    ///             let dx = &grad * &x.mapv(|x| 3.0 * x * x);
    ///             Ok(vec![Some(dx.into_shared())])
    ///         })))
    ///     })
    /// }
    ///
    /// let w = Param::new(ndarray::arr0(2.0));
    /// let grads = cube(&w.tracked())?.backward()?;
    /// assert_eq!(grads.get(&w).unwrap().first(), Some(&12.0));
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Whatever `f` returns.
    pub fn record(
        op: &'static str,
        inputs: &[&Self],
        f: impl FnOnce(&Inputs<'_, E>) -> Result<(Data<E>, Vjp<E>)>,
    ) -> Result<Self> {
        let (data, vjp) = f(&Inputs(inputs))?;
        Ok(Self::made(op, inputs, data, Derivative::Vjp(vjp)))
    }

    /// As [`record`](Self::record), for an operation whose output is a part of its one input.
    pub(crate) fn record_part(
        op: &'static str,
        input: &Self,
        f: impl FnOnce(&Data<E>) -> Result<(Data<E>, Part<E>)>,
    ) -> Result<Self> {
        let (data, part) = f(input.data())?;
        Ok(Self::made(op, &[input], data, Derivative::Part(part)))
    }

    fn made(op: &'static str, inputs: &[&Self], data: Data<E>, derivative: Derivative<E>) -> Self {
        if !Inputs(inputs).any() {
            return Self::constant(data);
        }
        let node = Node {
            id: next_id(),
            shape: data.raw_dim(),
            parents: inputs.iter().map(|input| input.node().cloned()).collect(),
            kind: Kind::Op { name: op, derivative: Mutex::new(Some(derivative)) },
        };
        Self::with_node(data, Some(Arc::new(node)))
    }

    /// The gradient of this scalar with respect to every parameter it depends on.
    ///
    /// Frees what the operations saved as it walks, so a second call through the same nodes is an error.
    /// Second-order derivatives are out of scope.
    ///
    /// # Errors
    /// If this is no scalar, depends on no parameter, or was walked before.
    pub fn backward(&self) -> Result<Grads<E>> {
        if self.len() != 1 {
            return Err(Error::NotScalar { shape: self.shape().to_vec() });
        }
        let root = self.node().ok_or(Error::Untracked)?;
        let one = Data::from_elem(root.shape.clone(), E::one());
        let mut grads = Grads::default();
        let mut pending = Pending(BTreeMap::from([(root.id, (Arc::clone(root), one))]));
        while let Some((_, (node, grad))) = pending.0.pop_last() {
            match &node.kind {
                Kind::Leaf(param) => grads.add(*param, grad),
                Kind::Op { name, derivative } => {
                    let derivative = derivative.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let derivative = derivative.ok_or(Error::Consumed { op: name })?;
                    pending.walk(name, derivative, grad, &node.parents)?;
                }
            }
        }
        Ok(grads)
    }
}

/// The nodes that are still to be walked, by their ids, and their gradients so far.
struct Pending<E: Element>(BTreeMap<u64, (Arc<Node<E>>, Data<E>)>);

impl<E: Element> Pending<E> {
    /// Hands the gradient of an operation's output on to its inputs.
    fn walk(
        &mut self,
        op: &'static str,
        derivative: Derivative<E>,
        grad: Data<E>,
        parents: &[Option<Arc<Node<E>>>],
    ) -> Result<()> {
        match derivative {
            Derivative::Vjp(vjp) => {
                let outputs = vjp(grad)?;
                check_count(op, outputs.len(), parents.len())?;
                for (parent, grad) in parents.iter().zip(outputs) {
                    if let (Some(parent), Some(grad)) = (parent, grad) {
                        check_shape(op, grad.shape(), parent.shape.slice())?;
                        self.add(parent, grad);
                    }
                }
            }
            Derivative::Part(add) => {
                if let [Some(whole)] = parents {
                    let zeros = || (Arc::clone(whole), Data::zeros(whole.shape.clone()));
                    add(&grad, &mut self.0.entry(whole.id).or_insert_with(zeros).1);
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, node: &Arc<Node<E>>, grad: Data<E>) {
        match self.0.get_mut(&node.id) {
            Some((_, sum)) => *sum += &grad,
            None => {
                self.0.insert(node.id, (Arc::clone(node), grad));
            }
        }
    }
}

fn check_count(op: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let count = |n| format!("{n} gradients");
    Err(Error::Derivative { op, found: count(found), expected: count(expected) })
}

fn check_shape(op: &'static str, found: &[usize], expected: &[usize]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let shape = |s| format!("a gradient of shape {s:?}");
    Err(Error::Derivative { op, found: shape(found), expected: shape(expected) })
}
