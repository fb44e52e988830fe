//! The critical path of a run: the chain of tasks that made it as long as it was.

use jiff::Timestamp;

/// The chain of tasks that ended last, from its first to its last.
///
/// A task can begin once all that it waits for is over, so what held it up is the upstream that ended last. Beginning with the
/// task that ended last of all and going back through the upstream that ended last gives the chain in which any second saved
/// would have let the run end sooner. `ended` says when each task ended; those that still run end now, and those that never
/// began have no end and are passed by.
pub(crate) fn critical_path(upstream: &[Vec<usize>], ended: &[Option<Timestamp>]) -> Vec<usize> {
    let end_of = |task: &usize| ended.get(*task).copied().flatten();
    let last_of = |tasks: &mut dyn Iterator<Item = usize>| {
        tasks.filter(|task| end_of(task).is_some()).max_by_key(end_of)
    };
    let mut at = last_of(&mut (0..ended.len()));
    let mut path = Vec::new();
    while let Some(task) = at {
        path.push(task);
        at = last_of(&mut upstream.get(task).map_or(&[][..], Vec::as_slice).iter().copied());
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_goes_back_through_what_ended_last() {
        let at = |second: i64| Some(Timestamp::from_second(second).unwrap());
        // 0 → 1, 2; 1, 2 → 3; 4 alone, and over early; 5 waits for 3 and never began.
        let upstream = [vec![], vec![0], vec![0], vec![1, 2], vec![], vec![3]];
        assert_eq!(critical_path(&upstream, &[at(1), at(9), at(5), at(10), at(3), None]), [0, 1, 3]);
        assert_eq!(critical_path(&upstream, &[at(1), at(4), at(5), at(10), at(3), None]), [0, 2, 3]);
        assert_eq!(critical_path(&upstream, &[at(1), at(4), at(5), at(10), at(30), None]), [4]);
        assert_eq!(critical_path(&upstream, &[None; 6]), [0_usize; 0]);
    }
}
