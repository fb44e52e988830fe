//! The demo, on the embedded twins and the synthetic readings.

use crate::world::World;
use std::collections::BTreeMap;

/// The lines of the summary: what was counted, and how many.
fn counts(data: &str) -> BTreeMap<&str, &str> {
    data.lines().filter_map(|line| line.trim().split_once("  ")).map(|(count, what)| (what, count)).collect()
}

#[test]
fn the_demo_takes_every_reading_through() {
    let world = World::empty();
    let said = world.run("demo");
    assert_eq!(said.code, 0, "{}", said.talk);
    let counts = counts(&said.data);
    for what in ["sent to the stream", "consumed from it", "cached as hashes", "stored as objects"] {
        assert_eq!(counts[what], "6,941", "{what}\n{}", said.data);
    }
    assert_eq!((counts["alerts in the queue"], counts["rejected"]), ("360", "0"));
    assert!(said.talk.contains("✓ send_alert_to_rabbitmq"), "{}", said.talk);
    assert!(said.talk.contains("load_csv_to_kafka: 6,941 of 6,941 sent"), "{}", said.talk);
    let list = world.json("dags list --json");
    assert_eq!(list["dags"][0]["last_run"]["state"], "success", "it works without a DAG folder");
    assert_eq!(world.run("audit verify").code, 0);
}

#[test]
fn the_demo_takes_a_file_of_somebody() {
    let world = World::empty();
    assert_eq!(world.run("sample --rows 50 --seed 7 --output mine.csv").code, 0);
    let said = world.run("demo --csv mine.csv");
    assert_eq!((said.code, counts(&said.data)["sent to the stream"]), (0, "50"), "{}", said.talk);
    let missing = world.run("demo --csv no/such.csv");
    assert_eq!(missing.code, 2);
    assert!(missing.talk.contains("no/such.csv cannot be read"), "{}", missing.talk);
}
