//! The triggerer: looks, for all attempts that wait, at what they wait for. One tokio task for all of them; what is not
//! there yet costs no slot, no thread, no event.

use crate::executor::{AttemptPlace, Told};
use esteira_operator::{Poked, Trigger};
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How many looks are under way at the same time.
const LOOKS_MAX: usize = 512;

/// Looks that are due within such a time of each other are made together.
const TOGETHER: Duration = Duration::from_millis(20);

/// How long one look may take. Then the attempt goes on, and looks for itself, within its own time-out.
const LOOK_TIMEOUT: Duration = Duration::from_secs(120);

enum Order {
    Watch(AttemptPlace, Trigger),
    Forget(AttemptPlace),
}

/// The loop's side: what is looked at for whom.
pub(crate) struct Triggerer {
    orders: mpsc::UnboundedSender<Order>,
    watched: HashSet<AttemptPlace>,
}

impl Triggerer {
    /// Starts it; what has come is told to the loop. It ends when this is dropped.
    pub(crate) fn start(told: mpsc::UnboundedSender<Told>) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        tokio::spawn(Watcher::new(told).run(inbox));
        Self { orders, watched: HashSet::new() }
    }

    /// Looks at something for an attempt that waits, from now on.
    pub(crate) fn watch(&mut self, place: AttemptPlace, trigger: Trigger) {
        self.watched.insert(place);
        // Its task is gone only when the engine is.
        let _ = self.orders.send(Order::Watch(place, trigger));
    }

    /// The instance waits no more, or no more for that.
    pub(crate) fn forget(&mut self, place: AttemptPlace) {
        if self.watched.remove(&place) {
            let _ = self.orders.send(Order::Forget(place));
        }
    }
}

/// One thing that is looked at.
struct Entry {
    trigger: Trigger,
    interval: Duration,
    /// Tells it from an earlier one of the same instance.
    number: u64,
}

/// The task's side.
struct Watcher {
    told: mpsc::UnboundedSender<Told>,
    entries: HashMap<AttemptPlace, Entry>,
    due: BinaryHeap<Reverse<(Instant, AttemptPlace, u64)>>,
    last_number: u64,
}

impl Watcher {
    fn new(told: mpsc::UnboundedSender<Told>) -> Self {
        Self { told, entries: HashMap::new(), due: BinaryHeap::new(), last_number: 0 }
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut looks = FuturesUnordered::new();
        loop {
            let next = self.due.peek().map(|Reverse((at, ..))| *at).filter(|_| looks.len() < LOOKS_MAX);
            tokio::select! {
                order = inbox.recv() => match order {
                    Some(order) => self.order(order),
                    None => return,
                },
                Some((place, number, poked)) = looks.next(), if !looks.is_empty() => {
                    self.looked(place, number, poked);
                }
                () = at(next), if next.is_some() => {
                    let now = Instant::now();
                    while looks.len() < LOOKS_MAX
                        && let Some((place, number)) = self.pop_due(now)
                    {
                        if let Some(entry) = self.entries.get(&place).filter(|entry| entry.number == number) {
                            let poke = std::sync::Arc::clone(&entry.trigger.poke);
                            looks.push(async move {
                                let look = AssertUnwindSafe(poke.poke()).catch_unwind();
                                // A look that hangs or panics is for the attempt to tell of.
                                let poked = match tokio::time::timeout(LOOK_TIMEOUT, look).await {
                                    Ok(Ok(poked)) => poked,
                                    Ok(Err(_)) | Err(_) => Poked::GoOn,
                                };
                                (place, number, poked)
                            });
                        }
                    }
                }
            }
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Forget(place) => drop(self.entries.remove(&place)),
            Order::Watch(place, trigger) => {
                self.last_number += 1;
                let (number, interval) = (self.last_number, trigger.poke_interval);
                self.entries.insert(place, Entry { trigger, interval, number });
                self.due.push(Reverse((Instant::now() + interval, place, number)));
            }
        }
    }

    fn pop_due(&mut self, now: Instant) -> Option<(AttemptPlace, u64)> {
        self.due.peek().filter(|Reverse((at, ..))| *at <= now + TOGETHER)?;
        self.due.pop().map(|Reverse((_, place, number))| (place, number))
    }

    fn looked(&mut self, place: AttemptPlace, number: u64, poked: Poked) {
        let Some(entry) = self.entries.get_mut(&place).filter(|entry| entry.number == number) else { return };
        if poked == Poked::GoOn {
            self.entries.remove(&place);
            let _ = self.told.send(Told::GoOn(place));
            return;
        }
        let longer = Duration::try_from_secs_f64(entry.interval.as_secs_f64() * entry.trigger.growth);
        entry.interval =
            longer.unwrap_or(Duration::MAX).min(entry.trigger.interval_max.max(entry.trigger.poke_interval));
        self.due.push(Reverse((Instant::now() + entry.interval, place, number)));
    }
}

async fn at(next: Option<Instant>) {
    match next {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
