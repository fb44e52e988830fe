//! S3/MinIO and the embedded object store.

use crate::support::{Target, on_twin_and_real};
use bytes::Bytes;
use esteira_tasks::objects::{NewObject, ObjectEntry, ObjectName, Objects};
use esteira_tasks::service::ServiceErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

on_twin_and_real!("minio_default":
    an_object_comes_back_as_it_was_put,
    keys_are_any_text,
    a_key_may_be_the_beginning_of_another,
    parts_that_climb_are_rejected,
    what_is_missing_is_none_or_empty,
    putting_again_overwrites,
    five_thousand_objects_in_one_go,
    pages_go_on_in_byte_order,
    a_deleted_object_is_gone,
    a_copy_is_an_object_of_its_own,
    an_address_given_out_reads_and_writes_without_a_password,
    bad_names_are_rejected,
    it_answers,
);

const BUCKETS_KEY: &str = "sensor:10/03/2004:18.00.00";

async fn open(target: &Target) -> Arc<dyn Objects> {
    target.connectors().objects("minio_default").await.unwrap()
}

/// A bucket of this test's own.
async fn bucket(target: &Target, objects: &Arc<dyn Objects>) -> String {
    let bucket = format!("conformance-{}", target.unique);
    objects.ensure_bucket(&bucket).await.unwrap();
    bucket
}

fn object(key: &str, body: impl Into<Bytes>) -> NewObject {
    NewObject { key: key.to_owned(), content_type: "application/json".into(), body: body.into() }
}

async fn put(objects: &Arc<dyn Objects>, bucket: &str, keys: &[&str]) {
    let new = keys.iter().map(|key| object(key, format!("body of {key}"))).collect();
    objects.put_all(bucket, new, 8, &|_| {}).await.unwrap();
}

async fn listed(objects: &Arc<dyn Objects>, bucket: &str, prefix: &str) -> Vec<String> {
    let page = objects.list(bucket, prefix, None, 1_000).await.unwrap();
    page.objects.into_iter().map(|entry| entry.key).collect()
}

async fn an_object_comes_back_as_it_was_put(target: Target) {
    let objects = open(&target).await;
    let bucket = bucket(&target, &objects).await;
    objects.ensure_bucket(&bucket).await.unwrap();
    let large = Bytes::from(vec![7_u8; 6 * 1024 * 1024]);
    let new = vec![
        object("raw/manual__2024.ndjson", large.clone()),
        object("empty", Bytes::new()),
        object("binary", Bytes::from_static(b"\x00\xff")),
    ];
    objects.put_all(&bucket, new, 4, &|_| {}).await.unwrap();
    let objects = open(&target).await;
    assert_eq!(objects.get(&bucket, "raw/manual__2024.ndjson").await.unwrap(), Some(large));
    assert_eq!(objects.get(&bucket, "empty").await.unwrap(), Some(Bytes::new()));
    assert_eq!(objects.get(&bucket, "binary").await.unwrap(), Some(Bytes::from_static(b"\x00\xff")));
    let page = objects.list(&bucket, "", None, 10).await.unwrap();
    let entry = |key: &str, size| ObjectEntry { key: key.to_owned(), size };
    assert_eq!(
        page.objects,
        [entry("binary", 2), entry("empty", 0), entry("raw/manual__2024.ndjson", 6 * 1024 * 1024)]
    );
    assert_eq!(page.next, None);
}

async fn keys_are_any_text(target: Target) {
    let objects = open(&target).await;
    let bucket = bucket(&target, &objects).await;
    let keys = [
        BUCKETS_KEY,
        "processed/10/03/2004_18.00.00.json",
        "with space/and+plus",
        "a..b/...",
        "ünïcode/日本/🌡.json",
        "100%/%2F/%2e%2e",
        "quote\"'/&<>#?=;,$@!()*",
        "~tilde/.hidden",
        "trailing.",
    ];
    put(&objects, &bucket, &keys).await;
    for key in keys {
        let body = objects.get(&bucket, key).await.unwrap();
        assert_eq!(body, Some(Bytes::from(format!("body of {key}"))), "{key}");
    }
    let mut expected = keys;
    expected.sort_unstable();
    assert_eq!(listed(&objects, &bucket, "").await, expected);
    assert_eq!(listed(&objects, &bucket, "sensor:10/0").await, [BUCKETS_KEY]);
}

async fn a_key_may_be_the_beginning_of_another(target: Target) {
    let objects = open(&target).await;
    let bucket = bucket(&target, &objects).await;
    let keys = ["a/b/c", "a", "a/b", "a-b", "a0", "a.b"];
    put(&objects, &bucket, &keys).await;
    for key in keys {
        assert_eq!(
            objects.get(&bucket, key).await.unwrap(),
            Some(Bytes::from(format!("body of {key}"))),
            "{key}"
        );
    }
    // The one difference: MinIO keeps such keys, and leaves those below another key out of its listings. S3 does not.
    if target.is_twin() {
        assert_eq!(listed(&objects, &bucket, "").await, ["a", "a-b", "a.b", "a/b", "a/b/c", "a0"]);
        assert_eq!(listed(&objects, &bucket, "a/").await, ["a/b", "a/b/c"]);
    }
    assert_eq!(objects.get(&bucket, "a/b/").await.unwrap(), None);
}

async fn parts_that_climb_are_rejected(target: Target) {
    let objects = open(&target).await;
    let bucket = bucket(&target, &objects).await;
    for key in ["..", "../x", "a/../b", "a/..", "./a", "a/./b", "/../../etc/passwd", ""] {
        let error = objects.put_all(&bucket, vec![object(key, "x")], 1, &|_| {}).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Rejected, "{key:?}: {error}");
        assert_eq!(objects.get(&bucket, key).await.unwrap_err().kind, ServiceErrorKind::Rejected, "{key:?}");
        assert_eq!(
            objects.delete(&bucket, key).await.unwrap_err().kind,
            ServiceErrorKind::Rejected,
            "{key:?}"
        );
    }
}

async fn what_is_missing_is_none_or_empty(target: Target) {
    let objects = open(&target).await;
    let missing = format!("missing-{}", target.unique);
    assert_eq!(objects.get(&missing, "key").await.unwrap(), None);
    assert!(objects.list(&missing, "", None, 10).await.unwrap().objects.is_empty());
    objects.delete(&missing, "key").await.unwrap();
    let error = objects.put_all(&missing, vec![object("key", "x")], 1, &|_| {}).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Rejected, "{error}");
    assert!(error.message.contains(&missing), "{error}");
    let bucket = bucket(&target, &objects).await;
    assert_eq!(objects.get(&bucket, "key").await.unwrap(), None);
    assert!(objects.list(&bucket, "", None, 10).await.unwrap().objects.is_empty());
    objects.delete(&bucket, "key").await.unwrap();
    objects.put_all(&bucket, Vec::new(), 1, &|_| {}).await.unwrap();
}

async fn putting_again_overwrites(target: Target) {
    let objects = open(&target).await;
    let bucket = bucket(&target, &objects).await;
    for body in ["first, and longer", "second", "second"] {
        objects.put_all(&bucket, vec![object("key", body)], 1, &|_| {}).await.unwrap();
        assert_eq!(objects.get(&bucket, "key").await.unwrap(), Some(Bytes::from(body)));
    }
    let twice = vec![object("key", "third"), object("key", "second")];
    objects.put_all(&bucket, twice, 8, &|_| {}).await.unwrap();
    assert_eq!(objects.get(&bucket, "key").await.unwrap(), Some(Bytes::from("second")));
    assert_eq!(listed(&objects, &bucket, "").await, ["key"]);
}

async fn five_thousand_objects_in_one_go(target: Target) {
    let objects = open(&target).await;
    let bucket = bucket(&target, &objects).await;
    let keys: Vec<String> = (0..5_000).map(|number| format!("processed/{number:05}.json")).collect();
    let new = keys.iter().map(|key| object(key, format!("{{\"key\": \"{key}\"}}"))).collect();
    let (calls, last) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let started = Instant::now();
    let on_progress = |done| {
        calls.fetch_add(1, Ordering::Relaxed);
        last.fetch_max(done, Ordering::Relaxed);
    };
    objects.put_all(&bucket, new, 32, &on_progress).await.unwrap();
    println!("objects: 5,000 put in {:?}", started.elapsed());
    assert_eq!(last.into_inner(), 5_000);
    assert!(calls.into_inner() > 1);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = objects.list(&bucket, "processed/", after.as_deref(), 1_000).await.unwrap();
        seen.extend(page.objects.into_iter().map(|entry| entry.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, keys);
    let body = objects.get(&bucket, "processed/04999.json").await.unwrap();
    assert_eq!(body, Some(Bytes::from_static(b"{\"key\": \"processed/04999.json\"}")));
}

async fn pages_go_on_in_byte_order(target: Target) {
    let objects = open(&target).await;
    let bucket = bucket(&target, &objects).await;
    let mut keys = vec!["B", "a-", "a/1", "a/2", "a/2x/y", "a/3", "a!", "b/1", "b/2", "c", "é", "z/z"];
    put(&objects, &bucket, &keys).await;
    keys.sort_unstable();
    for limit in 1..=keys.len() + 1 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = objects.list(&bucket, "", after.as_deref(), limit).await.unwrap();
            assert!(page.objects.len() <= limit);
            seen.extend(page.objects.into_iter().map(|entry| entry.key));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, keys, "in pages of {limit}");
    }
    let page = objects.list(&bucket, "a/", Some("a/2"), 10).await.unwrap();
    assert_eq!(page.objects.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["a/2x/y", "a/3"]);
    let page = objects.list(&bucket, "a/", Some("b"), 10).await.unwrap();
    assert!(page.objects.is_empty() && page.next.is_none());
    let page = objects.list(&bucket, "b/", Some("a"), 2).await.unwrap();
    assert!(page.objects.len() == 2 && page.next.is_none());
}

async fn a_copy_is_an_object_of_its_own(target: Target) {
    let objects = open(&target).await;
    let (from, to) = (bucket(&target, &objects).await, target.name("copies").replace('_', "-"));
    let to = to[to.len() - 40..].trim_start_matches('-').to_owned();
    objects.ensure_bucket(&to).await.unwrap();
    let name = |bucket, key| ObjectName { bucket, key };
    put(&objects, &from, &["a b/é+%.json"]).await;
    assert!(objects.copy(name(&from, "a b/é+%.json"), name(&to, "c")).await.unwrap());
    assert!(objects.copy(name(&from, "a b/é+%.json"), name(&from, "d e")).await.unwrap());
    objects.delete(&from, "a b/é+%.json").await.unwrap();
    let copy = objects.get(&to, "c").await.unwrap().unwrap();
    assert_eq!(objects.get(&from, "d e").await.unwrap().unwrap(), copy);
    assert!(!objects.copy(name(&from, "missing"), name(&to, "x")).await.unwrap());
    assert!(objects.copy(name(&from, "d e"), name("no-such-bucket-here", "x")).await.is_err());
    for key in ["c"] {
        objects.delete(&to, key).await.unwrap();
    }
}

async fn an_address_given_out_reads_and_writes_without_a_password(target: Target) {
    let objects = open(&target).await;
    let bucket = bucket(&target, &objects).await;
    let object = ObjectName { bucket: &bucket, key: "given out.txt" };
    let hour = std::time::Duration::from_secs(3600);
    if target.is_twin() {
        let error = objects.presign(object, false, hour).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Rejected);
        return;
    }
    let upload = objects.presign(object, true, hour).await.unwrap();
    let client = reqwest::Client::new();
    assert!(client.put(&upload).body("hello").send().await.unwrap().status().is_success());
    let address = objects.presign(object, false, hour).await.unwrap();
    let answer = client.get(&address).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello");
    assert!(objects.presign(object, false, hour * 24 * 30).await.is_err());
}

async fn a_deleted_object_is_gone(target: Target) {
    let objects = open(&target).await;
    let bucket = bucket(&target, &objects).await;
    put(&objects, &bucket, &["a/b/c", "a/d"]).await;
    objects.delete(&bucket, "a/b/c").await.unwrap();
    objects.delete(&bucket, "a/b/c").await.unwrap();
    assert_eq!(objects.get(&bucket, "a/b/c").await.unwrap(), None);
    assert_eq!(listed(&objects, &bucket, "").await, ["a/d"]);
    put(&objects, &bucket, &["a/b/c"]).await;
    assert_eq!(listed(&objects, &bucket, "").await, ["a/b/c", "a/d"]);
}

async fn bad_names_are_rejected(target: Target) {
    let objects = open(&target).await;
    for bucket in ["", "ab", "UPPER", "a_b", "-abc", "a..b", "a/b", "../x", &"x".repeat(64)] {
        let error = objects.ensure_bucket(bucket).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Rejected, "{bucket:?}: {error}");
        assert!(objects.get(bucket, "key").await.is_err());
        assert!(objects.list(bucket, "", None, 1).await.is_err());
    }
    let bucket = bucket(&target, &objects).await;
    let error =
        objects.put_all(&bucket, vec![object(&"x".repeat(1_025), "x")], 1, &|_| {}).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Rejected, "{error}");
}

async fn it_answers(target: Target) {
    open(&target).await.ping().await.unwrap();
}
