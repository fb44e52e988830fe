//! Kafka and the embedded stream.

use crate::support::{Target, on_twin_and_real};
use bytes::Bytes;
use esteira_tasks::service::ServiceErrorKind;
use esteira_tasks::stream::{Consumer, Message, Offsets, Record, Stream};
use std::sync::Arc;
use std::time::{Duration, Instant};

on_twin_and_real!("kafka_default":
    messages_come_back_as_sent_and_in_order,
    five_thousand_messages_in_one_go,
    a_missing_topic_is_empty_and_is_read_once_it_is_there,
    what_was_not_committed_is_read_again,
    what_was_committed_is_not_read_again,
    what_a_group_has_committed_is_told,
    commits_may_repeat_and_never_go_back,
    a_commit_works_after_its_consumer_is_gone,
    groups_do_not_disturb_each_other,
    producers_append_to_each_other,
    senders_at_the_same_time_lose_nothing,
    waiting_ends_when_a_message_comes,
    a_poll_takes_no_more_than_it_was_told,
    what_is_given_back_is_for_the_next_consumer,
    bad_names_are_rejected,
    it_answers,
);

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

async fn open(target: &Target) -> Arc<dyn Stream> {
    target.connectors().stream("kafka_default").await.unwrap()
}

fn numbered(range: std::ops::Range<usize>) -> Vec<Message> {
    range
        .map(|number| Message { key: None, payload: Bytes::from(format!("{{\"number\": {number}}}")) })
        .collect()
}

async fn send(stream: &Arc<dyn Stream>, topic: &str, messages: Vec<Message>) {
    let mut producer = stream.producer(topic).await.unwrap();
    for message in messages {
        producer.send(message).await.unwrap();
    }
    producer.flush().await.unwrap();
}

async fn read(consumer: &mut Box<dyn Consumer>, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while records.len() < count {
        let more = consumer.poll(count - records.len(), LONG).await.unwrap();
        assert!(!more.is_empty(), "only {} of {count} messages came", records.len());
        records.extend(more);
    }
    records
}

fn at(offset: i64) -> Offsets {
    Offsets([(0, offset)].into())
}

async fn messages_come_back_as_sent_and_in_order(target: Target) {
    let topic = target.name("order");
    let stream = open(&target).await;
    let sent = vec![
        Message { key: Some(Bytes::from_static(b"key")), payload: Bytes::from_static(b"first") },
        Message { key: None, payload: Bytes::from_static(b"\x00\xff\xfe binary") },
        Message {
            key: Some(Bytes::from_static("clé/ü:\0".as_bytes())),
            payload: Bytes::from("números: 1,5 °C"),
        },
        Message { key: None, payload: Bytes::new() },
    ];
    send(&stream, &topic, sent.clone()).await;
    assert_eq!(stream.end_offsets(&topic).await.unwrap(), at(4));
    let mut consumer = open(&target).await.consumer(&topic, "group").await.unwrap();
    assert_eq!(consumer.position(), at(0));
    let records = read(&mut consumer, 4).await;
    assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let back: Vec<Message> =
        records.into_iter().map(|record| Message { key: record.key, payload: record.payload }).collect();
    assert_eq!(back, sent);
    assert_eq!(consumer.position(), at(4));
    assert!(consumer.position().reach(&stream.end_offsets(&topic).await.unwrap()));
}

async fn five_thousand_messages_in_one_go(target: Target) {
    let topic = target.name("many");
    let stream = open(&target).await;
    let started = Instant::now();
    send(&stream, &topic, numbered(0..5_000)).await;
    let sent = started.elapsed();
    assert_eq!(stream.end_offsets(&topic).await.unwrap(), at(5_000));
    let mut consumer = stream.consumer(&topic, "group").await.unwrap();
    let records = read(&mut consumer, 5_000).await;
    println!("stream: 5,000 sent in {sent:?}, sent and read in {:?}", started.elapsed());
    let expected = numbered(0..5_000);
    assert!(records.iter().zip(&expected).all(|(record, message)| record.payload == message.payload));
    consumer.committer().commit().await.unwrap();
    assert!(consumer.poll(10, SHORT).await.unwrap().is_empty());
}

async fn a_missing_topic_is_empty_and_is_read_once_it_is_there(target: Target) {
    let topic = target.name("missing");
    let stream = open(&target).await;
    assert_eq!(stream.end_offsets(&topic).await.unwrap(), Offsets::default());
    let mut consumer = stream.consumer(&topic, "group").await.unwrap();
    assert_eq!(consumer.position(), Offsets::default());
    assert!(consumer.poll(10, SHORT).await.unwrap().is_empty());
    consumer.committer().commit().await.unwrap();
    assert_eq!(stream.end_offsets(&topic).await.unwrap(), Offsets::default(), "reading made the topic");
    send(&stream, &topic, numbered(0..3)).await;
    assert_eq!(read(&mut consumer, 3).await.len(), 3);
}

async fn what_was_not_committed_is_read_again(target: Target) {
    let topic = target.name("crash");
    send(&open(&target).await, &topic, numbered(0..10)).await;
    for _ in 0..2 {
        let mut consumer = open(&target).await.consumer(&topic, "group").await.unwrap();
        let records = read(&mut consumer, 10).await;
        assert_eq!(records[0].offset, 0);
    }
}

async fn what_a_group_has_committed_is_told(target: Target) {
    let (topic, stream) = (target.name("committed"), open(&target).await);
    assert_eq!(stream.committed_offsets(&topic, "g").await.unwrap(), Offsets::default());
    send(&stream, &topic, numbered(0..3)).await;
    let group = target.name("group");
    assert_eq!(stream.committed_offsets(&topic, &group).await.unwrap(), Offsets::default());
    let mut consumer = stream.consumer(&topic, &group).await.unwrap();
    read(&mut consumer, 2).await;
    consumer.committer().commit().await.unwrap();
    let committed = stream.committed_offsets(&topic, &group).await.unwrap();
    assert_eq!(committed.0.values().sum::<i64>(), 2, "{committed:?}");
}

async fn what_was_committed_is_not_read_again(target: Target) {
    let topic = target.name("commit");
    let stream = open(&target).await;
    send(&stream, &topic, numbered(0..10)).await;
    let mut consumer = stream.consumer(&topic, "group").await.unwrap();
    read(&mut consumer, 6).await;
    consumer.committer().commit().await.unwrap();
    read(&mut consumer, 4).await;
    let mut consumer = open(&target).await.consumer(&topic, "group").await.unwrap();
    assert_eq!(consumer.position(), at(6));
    let records = read(&mut consumer, 4).await;
    assert_eq!(records[0].offset, 6);
}

async fn commits_may_repeat_and_never_go_back(target: Target) {
    let topic = target.name("back");
    let stream = open(&target).await;
    send(&stream, &topic, numbered(0..10)).await;
    let mut consumer = stream.consumer(&topic, "group").await.unwrap();
    read(&mut consumer, 4).await;
    let (early, early_again) = (consumer.committer(), consumer.committer());
    read(&mut consumer, 6).await;
    let (late, late_again) = (consumer.committer(), consumer.committer());
    early.commit().await.unwrap();
    late.commit().await.unwrap();
    late_again.commit().await.unwrap();
    early_again.commit().await.unwrap();
    assert_eq!(open(&target).await.consumer(&topic, "group").await.unwrap().position(), at(10));
}

async fn a_commit_works_after_its_consumer_is_gone(target: Target) {
    let topic = target.name("gone");
    let stream = open(&target).await;
    send(&stream, &topic, numbered(0..5)).await;
    let mut consumer = stream.consumer(&topic, "group").await.unwrap();
    read(&mut consumer, 5).await;
    let committer = consumer.committer();
    drop(consumer);
    drop(stream);
    committer.commit().await.unwrap();
    assert_eq!(open(&target).await.consumer(&topic, "group").await.unwrap().position(), at(5));
}

async fn groups_do_not_disturb_each_other(target: Target) {
    let topic = target.name("groups");
    let stream = open(&target).await;
    send(&stream, &topic, numbered(0..5)).await;
    let mut one = stream.consumer(&topic, "one").await.unwrap();
    let mut other = stream.consumer(&topic, "other").await.unwrap();
    read(&mut one, 5).await;
    one.committer().commit().await.unwrap();
    assert_eq!(read(&mut other, 5).await[0].offset, 0);
}

async fn producers_append_to_each_other(target: Target) {
    let topic = target.name("append");
    send(&open(&target).await, &topic, numbered(0..3)).await;
    let stream = open(&target).await;
    send(&stream, &topic, numbered(3..5)).await;
    stream.producer(&topic).await.unwrap().flush().await.unwrap();
    let mut consumer = stream.consumer(&topic, "group").await.unwrap();
    let payloads: Vec<Bytes> =
        read(&mut consumer, 5).await.into_iter().map(|record| record.payload).collect();
    assert_eq!(payloads, numbered(0..5).into_iter().map(|message| message.payload).collect::<Vec<_>>());
}

async fn senders_at_the_same_time_lose_nothing(target: Target) {
    let topic = target.name("senders");
    // Clients of their own, as several processes would have; also when the first of all things is made.
    let streams: Vec<_> = futures::future::join_all((0..6).map(|_| open(&target))).await;
    let sends = streams.into_iter().map(|stream| {
        let topic = topic.clone();
        tokio::spawn(async move {
            let mut producer = stream.producer(&topic).await.unwrap();
            for message in numbered(0..20) {
                producer.send(message).await.unwrap();
                producer.flush().await.unwrap();
            }
        })
    });
    for send in sends.collect::<Vec<_>>() {
        send.await.unwrap();
    }
    let mut consumer = open(&target).await.consumer(&topic, "group").await.unwrap();
    let offsets: Vec<i64> = read(&mut consumer, 120).await.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (0..120).collect::<Vec<_>>());
}

async fn waiting_ends_when_a_message_comes(target: Target) {
    let topic = target.name("wait");
    let stream = open(&target).await;
    send(&stream, &topic, numbered(0..1)).await;
    let mut consumer = stream.consumer(&topic, "group").await.unwrap();
    read(&mut consumer, 1).await;
    let started = Instant::now();
    assert!(consumer.poll(10, SHORT).await.unwrap().is_empty());
    assert!(started.elapsed() >= SHORT, "gave up after {:?}", started.elapsed());
    let other = open(&target).await;
    let sending = tokio::spawn(async move { send(&other, &topic, numbered(1..2)).await });
    let records = consumer.poll(10, LONG).await.unwrap();
    sending.await.unwrap();
    assert_eq!(records.len(), 1);
    assert!(started.elapsed() < LONG / 2, "noticed after {:?}", started.elapsed());
}

async fn a_poll_takes_no_more_than_it_was_told(target: Target) {
    let topic = target.name("limit");
    let stream = open(&target).await;
    send(&stream, &topic, numbered(0..7)).await;
    let mut consumer = stream.consumer(&topic, "group").await.unwrap();
    let mut seen = 0;
    while seen < 7 {
        let records = consumer.poll(3, LONG).await.unwrap();
        assert!((1..=3).contains(&records.len()));
        seen += records.len();
        assert_eq!(consumer.position(), at(i64::try_from(seen).unwrap()));
    }
    assert!(consumer.poll(0, Duration::ZERO).await.unwrap().is_empty());
}

async fn bad_names_are_rejected(target: Target) {
    let stream = open(&target).await;
    for name in ["", "..", "a b", "a/b", "ü", &"x".repeat(250)] {
        let error = stream.producer(name).await.err().unwrap();
        assert_eq!(error.kind, ServiceErrorKind::Rejected, "{name:?}: {error}");
        assert!(stream.end_offsets(name).await.is_err());
        assert!(stream.consumer(name, "group").await.is_err());
    }
    let error = stream.consumer("topic", "").await.err().unwrap();
    assert_eq!(error.kind, ServiceErrorKind::Rejected, "{error}");
}

async fn it_answers(target: Target) {
    open(&target).await.ping().await.unwrap();
}

async fn what_is_given_back_is_for_the_next_consumer(target: Target) {
    let stream = open(&target).await;
    let topic = target.name("give-back");
    send(&stream, &topic, numbered(0..10)).await;
    let mut consumer = stream.consumer(&topic, "group").await.unwrap();
    let first = read(&mut consumer, 6).await;
    consumer.give_back(&first[4..]);
    assert_eq!(consumer.position(), at(4));
    consumer.give_back(&[]);
    consumer.committer().commit().await.unwrap();
    let mut next = stream.consumer(&topic, "group").await.unwrap();
    let offsets: Vec<i64> = read(&mut next, 6).await.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [4, 5, 6, 7, 8, 9]);
}
