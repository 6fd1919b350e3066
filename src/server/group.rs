//! Group commit under `--sync always`: of all the connections of a thread that wait for the disk, one task
//! waits, so that a sync wakes a thread once and not once for each of them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use lcnode_storage::{Position, Result};

use crate::dispatch::Node;

thread_local! {
    static GROUP: RefCell<Group> = const { RefCell::new(Group { waiting: VecDeque::new(), has_task: false }) };
}

/// The connections of a thread that wait.
struct Group {
    /// For what, in the order in which they came, so in rising order.
    waiting: VecDeque<(Position, Waker)>,
    /// Whether the task runs that wakes them.
    has_task: bool,
}

/// Waits until all before `end` is durable, or says why it cannot become so.
pub(super) async fn until_durable(node: &Arc<Node>, end: Position) -> Result<()> {
    poll_fn(|context| match node.store.is_durable(end) {
        Ok(false) => {
            join(node, end, context.waker());
            Poll::Pending
        }
        known => Poll::Ready(known.map(drop)),
    })
    .await
}

fn join(node: &Arc<Node>, end: Position, waker: &Waker) {
    GROUP.with_borrow_mut(|group| {
        group.waiting.push_back((end, waker.clone()));
        // At once: while the disk works for the first ones the others are carried out.
        node.store.want_durable(end);
        if !std::mem::replace(&mut group.has_task, true) {
            tokio::spawn(wake_group_by_group(Arc::clone(node)));
        }
    });
}

async fn wake_group_by_group(node: Arc<Node>) {
    let store = &node.store;
    while let Some(first) = first() {
        // Whether it went well each of them sees for itself.
        let _ = poll_fn(|context| store.poll_durable(first, context)).await;
        let group = GROUP.with_borrow_mut(|group| {
            let is_done = |(end, _): &(Position, Waker)| !matches!(store.is_durable(*end), Ok(false));
            let count = group.waiting.iter().take_while(|waiting| is_done(waiting)).count();
            group.waiting.drain(..count).collect::<Vec<_>>()
        });
        group.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// What the one waits for who has waited longest. Ends the task's term where there is nobody.
fn first() -> Option<Position> {
    GROUP.with_borrow_mut(|group| {
        group.has_task = !group.waiting.is_empty();
        group.waiting.front().map(|(end, _)| *end)
    })
}
