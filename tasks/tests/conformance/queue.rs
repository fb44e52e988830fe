//! RabbitMQ and the embedded queue.

use crate::support::{Target, on_twin_and_real};
use bytes::Bytes;
use esteira_tasks::queue::{Queue, QueueMessage};
use esteira_tasks::service::ServiceErrorKind;
use std::sync::Arc;
use std::time::Instant;

on_twin_and_real!("rabbitmq_default":
    peeking_leaves_the_queue_as_it_was,
    taking_removes_the_first,
    what_is_handed_out_goes_with_its_receipt_and_comes_back_without,
    a_missing_queue_is_empty,
    what_was_published_outlives_the_client,
    messages_and_names_are_any_text,
    five_thousand_messages_in_one_go,
    peeks_at_the_same_time_see_the_same,
    senders_and_takers_at_the_same_time_lose_nothing,
    bad_names_are_rejected,
    it_answers,
);

async fn open(target: &Target) -> Arc<dyn Queue> {
    target.connectors().queue("rabbitmq_default").await.unwrap()
}

fn numbered(range: std::ops::Range<usize>) -> Vec<QueueMessage> {
    let message = |number| QueueMessage {
        message_id: format!("alert-{number}"),
        content_type: "application/json".to_owned(),
        body: Bytes::from(format!("{{\"number\": {number}}}")),
    };
    range.map(message).collect()
}

async fn peeking_leaves_the_queue_as_it_was(target: Target) {
    let queue = open(&target).await;
    let name = target.name("peek");
    queue.publish(&name, &numbered(0..5)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(queue.peek(&name, 3).await.unwrap(), numbered(0..3));
        assert_eq!(queue.peek(&name, 100).await.unwrap(), numbered(0..5));
        assert_eq!(queue.count(&name).await.unwrap(), 5);
    }
    assert!(queue.peek(&name, 0).await.unwrap().is_empty());
    queue.publish(&name, &numbered(5..6)).await.unwrap();
    assert_eq!(queue.take(&name, 100).await.unwrap(), numbered(0..6));
}

async fn taking_removes_the_first(target: Target) {
    let queue = open(&target).await;
    let name = target.name("take");
    queue.publish(&name, &numbered(0..5)).await.unwrap();
    assert_eq!(queue.take(&name, 2).await.unwrap(), numbered(0..2));
    assert_eq!(queue.peek(&name, 1).await.unwrap(), numbered(2..3));
    assert!(queue.take(&name, 0).await.unwrap().is_empty());
    assert_eq!(open(&target).await.take(&name, 100).await.unwrap(), numbered(2..5));
    assert_eq!(queue.count(&name).await.unwrap(), 0);
    assert!(queue.take(&name, 1).await.unwrap().is_empty());
    queue.publish(&name, &numbered(0..1)).await.unwrap();
    queue.publish(&name, &numbered(0..1)).await.unwrap();
    assert_eq!(queue.take(&name, 10).await.unwrap().len(), 2);
}

async fn what_is_handed_out_goes_with_its_receipt_and_comes_back_without(target: Target) {
    let queue = open(&target).await;
    let name = target.name("receive");
    queue.publish(&name, &numbered(0..5)).await.unwrap();
    let received = queue.receive(&name, 3).await.unwrap();
    assert_eq!(received.messages, numbered(0..3));
    drop(received);
    // The broker hears of it in its own time.
    while queue.count(&name).await.unwrap() < 5 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let received = queue.receive(&name, 3).await.unwrap();
    assert_eq!(received.messages, numbered(0..3));
    received.receipt.acknowledge().await.unwrap();
    assert_eq!(queue.count(&name).await.unwrap(), 2);
    assert_eq!(queue.take(&name, 10).await.unwrap(), numbered(3..5));
    let nothing = queue.receive(&name, 10).await.unwrap();
    assert!(nothing.messages.is_empty());
    nothing.receipt.acknowledge().await.unwrap();
    assert!(queue.receive(&target.name("none"), 10).await.unwrap().messages.is_empty());
}

async fn a_missing_queue_is_empty(target: Target) {
    let queue = open(&target).await;
    let name = target.name("missing");
    for _ in 0..2 {
        assert!(queue.peek(&name, 10).await.unwrap().is_empty());
        assert!(queue.take(&name, 10).await.unwrap().is_empty());
        assert_eq!(queue.count(&name).await.unwrap(), 0);
    }
    queue.publish(&name, &numbered(0..1)).await.unwrap();
    assert_eq!(queue.take(&name, 10).await.unwrap(), numbered(0..1));
}

async fn what_was_published_outlives_the_client(target: Target) {
    let name = target.name("durable");
    open(&target).await.publish(&name, &numbered(0..3)).await.unwrap();
    open(&target).await.publish(&name, &[]).await.unwrap();
    assert_eq!(open(&target).await.take(&name, 10).await.unwrap(), numbered(0..3));
}

async fn messages_and_names_are_any_text(target: Target) {
    let queue = open(&target).await;
    let name = target.name("ünïcode 日本/queue:x");
    let messages = [
        QueueMessage {
            message_id: "é/1:ü".to_owned(),
            content_type: "text/plain; charset=utf-8".to_owned(),
            body: Bytes::from_static(b"\x00\xff binary"),
        },
        QueueMessage { message_id: String::new(), content_type: String::new(), body: Bytes::new() },
    ];
    queue.publish(&name, &messages).await.unwrap();
    assert_eq!(queue.peek(&name, 10).await.unwrap(), messages);
    assert_eq!(queue.take(&name, 10).await.unwrap(), messages);
}

async fn five_thousand_messages_in_one_go(target: Target) {
    let queue = open(&target).await;
    let name = target.name("many");
    let started = Instant::now();
    queue.publish(&name, &numbered(0..5_000)).await.unwrap();
    println!("queue: 5,000 published in {:?}", started.elapsed());
    assert_eq!(queue.count(&name).await.unwrap(), 5_000);
    let started = Instant::now();
    assert_eq!(queue.peek(&name, 5_000).await.unwrap(), numbered(0..5_000));
    println!("queue: 5,000 peeked at in {:?}", started.elapsed());
    assert_eq!(queue.take(&name, 5_000).await.unwrap(), numbered(0..5_000));
    assert_eq!(queue.count(&name).await.unwrap(), 0);
}

async fn peeks_at_the_same_time_see_the_same(target: Target) {
    let queue = open(&target).await;
    let name = target.name("peeks");
    queue.publish(&name, &numbered(0..20)).await.unwrap();
    let peeks = (0..8).map(|_| {
        let (queue, name) = (Arc::clone(&queue), name.clone());
        tokio::spawn(async move { queue.peek(&name, 10).await.unwrap() })
    });
    for peek in peeks.collect::<Vec<_>>() {
        assert_eq!(peek.await.unwrap(), numbered(0..10));
    }
    queue.take(&name, 20).await.unwrap();
}

async fn senders_and_takers_at_the_same_time_lose_nothing(target: Target) {
    let name = target.name("crowd");
    let queues: Vec<_> = futures::future::join_all((0..4).map(|_| open(&target))).await;
    let work = queues.into_iter().enumerate().map(|(number, queue)| {
        let name = name.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            for round in 0..10 {
                let first = (number * 10 + round) * 3;
                queue.publish(&name, &numbered(first..first + 3)).await.unwrap();
                taken.extend(queue.take(&name, 2).await.unwrap());
            }
            taken
        })
    });
    let mut taken = Vec::new();
    for part in work.collect::<Vec<_>>() {
        taken.extend(part.await.unwrap());
    }
    taken.extend(open(&target).await.take(&name, 1_000).await.unwrap());
    taken.sort_by_key(|message| message.message_id.trim_start_matches("alert-").parse::<usize>().unwrap());
    assert_eq!(taken, numbered(0..120));
}

async fn bad_names_are_rejected(target: Target) {
    let queue = open(&target).await;
    for name in ["", "amq.mine", &"x".repeat(256)] {
        let error = queue.publish(name, &numbered(0..1)).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Rejected, "{name:?}: {error}");
        assert!(queue.peek(name, 1).await.is_err());
    }
    let long = QueueMessage { message_id: "x".repeat(256), ..numbered(0..1).remove(0) };
    let error = queue.publish(&target.name("long"), &[long]).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Rejected, "{error}");
}

async fn it_answers(target: Target) {
    open(&target).await.ping().await.unwrap();
}
