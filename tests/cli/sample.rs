//! The synthetic readings.

use crate::world::{World, files};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn the_head_of_a_sample() {
    insta::assert_snapshot!(World::empty().run("sample --rows 4").data);
}

#[test]
fn a_sample_goes_to_a_file_and_is_the_same_every_time() {
    let world = World::empty();
    insta::assert_snapshot!(world.run("sample --output a.csv").plain());
    assert_eq!(std::fs::read_to_string(world.path("a.csv")).unwrap(), world.run("sample").data);
    assert_eq!(std::fs::read_to_string(world.path("a.csv")).unwrap().lines().count(), 6_942);
    assert_eq!(files(world.folder()), ["a.csv"], "no home is made for it");
    let refused = world.run("sample --output no/such/folder.csv");
    assert_eq!(refused.code, 1);
    assert!(refused.talk.contains("hint: "), "{}", refused.talk);
}

#[test]
fn a_reader_that_leaves_is_no_fault() {
    let world = World::empty();
    let mut child =
        world.esteira("sample --rows 200000").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("Date;Time;CO"));
    drop(lines);
    let said = world.said(child.wait_with_output().unwrap());
    assert_eq!((said.code, said.talk.as_str()), (0, ""));
}
