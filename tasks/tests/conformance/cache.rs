//! Redis and the embedded cache.

use crate::support::{Target, on_twin_and_real};
use esteira_tasks::cache::{Cache, Hash};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

on_twin_and_real!("redis_default":
    a_hash_comes_back_as_it_was_put,
    putting_again_merges_fields,
    a_missing_key_has_no_hash,
    keys_and_values_are_any_text,
    five_thousand_hashes_in_one_go,
    keys_come_in_pages_each_once,
    a_prefix_is_taken_literally,
    a_hash_goes_when_its_time_has_come,
    a_time_to_live_stays_until_another_is_given,
    deleting_tells_how_many_there_were,
    a_hash_without_fields_is_not_put,
    commands_are_answered_as_json,
    it_answers,
);

async fn open(target: &Target) -> Arc<dyn Cache> {
    target.connectors().cache("redis_default").await.unwrap()
}

fn hash(pairs: &[(&str, &str)]) -> Hash {
    pairs.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect()
}

async fn put(cache: &Arc<dyn Cache>, key: &str, pairs: &[(&str, &str)], time_to_live: Option<Duration>) {
    cache.put_hashes(&[(key.to_owned(), hash(pairs))], time_to_live).await.unwrap();
}

async fn clean(cache: &Arc<dyn Cache>, keys: &[String]) {
    cache.delete(keys).await.unwrap();
}

async fn a_hash_comes_back_as_it_was_put(target: Target) {
    let key = target.name("sensor:10/03/2004:18.00.00");
    put(&open(&target).await, &key, &[("CO", "2.6"), ("NO2", "113"), ("date", "10/03/2004")], None).await;
    let cache = open(&target).await;
    let back = cache.hash(&key).await.unwrap().unwrap();
    assert_eq!(back, hash(&[("CO", "2.6"), ("NO2", "113"), ("date", "10/03/2004")]));
    assert_eq!(back.keys().collect::<Vec<_>>(), ["CO", "NO2", "date"]);
    clean(&cache, &[key]).await;
}

async fn putting_again_merges_fields(target: Target) {
    let cache = open(&target).await;
    let key = target.name("merge");
    put(&cache, &key, &[("a", "1"), ("b", "2")], None).await;
    put(&cache, &key, &[("b", "3"), ("c", "4")], None).await;
    put(&cache, &key, &[("b", "3"), ("c", "4")], None).await;
    assert_eq!(cache.hash(&key).await.unwrap(), Some(hash(&[("a", "1"), ("b", "3"), ("c", "4")])));
    let twice = [(key.clone(), hash(&[("d", "5")])), (key.clone(), hash(&[("d", "6")]))];
    cache.put_hashes(&twice, None).await.unwrap();
    assert_eq!(cache.hash(&key).await.unwrap().unwrap()["d"], "6");
    clean(&cache, &[key]).await;
}

async fn a_missing_key_has_no_hash(target: Target) {
    let cache = open(&target).await;
    let (there, missing) = (target.name("there"), target.name("missing"));
    put(&cache, &there, &[("a", "1")], None).await;
    assert_eq!(cache.hash(&missing).await.unwrap(), None);
    let found =
        cache.hashes(&[missing.clone(), there.clone(), missing.clone(), there.clone()]).await.unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, true]);
    assert!(cache.hashes(&[]).await.unwrap().is_empty());
    clean(&cache, &[there]).await;
}

async fn keys_and_values_are_any_text(target: Target) {
    let cache = open(&target).await;
    let texts = [
        "plain",
        "with space",
        "a/b:c.d",
        "ünïcode-日本-🌡",
        "quote\"'\\",
        "nul\0byte",
        "line\nbreak",
        "{}",
        "%2F",
    ];
    let hashes: Vec<(String, Hash)> = texts
        .iter()
        .map(|text| (target.name(text), hash(&[(text, text), ("null", "null"), ("", "")])))
        .collect();
    cache.put_hashes(&hashes, None).await.unwrap();
    let keys: Vec<String> = hashes.iter().map(|(key, _)| key.clone()).collect();
    let back = cache.hashes(&keys).await.unwrap();
    for ((key, put), back) in hashes.iter().zip(back) {
        assert_eq!(back.as_ref(), Some(put), "{key:?}");
    }
    clean(&cache, &keys).await;
}

async fn five_thousand_hashes_in_one_go(target: Target) {
    let cache = open(&target).await;
    let fields =
        hash(&[("date", "10/03/2004"), ("time", "18.00.00"), ("CO", "2.6"), ("NO2", "113"), ("T", "13.6")]);
    let key = |number: usize| format!("{}:{number}", target.name("many"));
    let hashes: Vec<(String, Hash)> = (0..5_000).map(|number| (key(number), fields.clone())).collect();
    let started = Instant::now();
    cache.put_hashes(&hashes, None).await.unwrap();
    println!("cache: 5,000 put in {:?}", started.elapsed());
    assert_eq!(cache.count(&target.name("many")).await.unwrap(), 5_000);
    let keys: Vec<String> = hashes.into_iter().map(|(key, _)| key).collect();
    let started = Instant::now();
    let back = cache.hashes(&keys).await.unwrap();
    println!("cache: 5,000 read in {:?}", started.elapsed());
    assert!(back.iter().all(|hash| hash.as_ref() == Some(&fields)));
    assert_eq!(cache.delete(&keys).await.unwrap(), 5_000);
}

async fn keys_come_in_pages_each_once(target: Target) {
    let cache = open(&target).await;
    let prefix = target.name("page:");
    let expected: BTreeSet<String> = (0..250).map(|number| format!("{prefix}{number}")).collect();
    let hashes: Vec<(String, Hash)> = expected.iter().map(|key| (key.clone(), hash(&[("a", "1")]))).collect();
    cache.put_hashes(&hashes, None).await.unwrap();
    put(&cache, &target.name("pag"), &[("a", "1")], None).await;
    let (mut seen, mut after, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let page = cache.keys(&prefix, after.as_deref(), 40).await.unwrap();
        assert_eq!(page.keys.iter().collect::<BTreeSet<_>>().len(), page.keys.len(), "a key twice in a page");
        seen.extend(page.keys);
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
    assert!(pages > 1, "one page for all");
    assert_eq!(cache.count(&prefix).await.unwrap(), 250);
    assert_eq!(cache.count(&target.name("none")).await.unwrap(), 0);
    assert!(cache.keys(&target.name("none"), None, 10).await.unwrap().keys.is_empty());
    clean(&cache, &expected.into_iter().chain([target.name("pag")]).collect::<Vec<_>>()).await;
}

async fn a_prefix_is_taken_literally(target: Target) {
    let cache = open(&target).await;
    let keys: Vec<String> = ["a*b", "axb", "a?b", "a[x]b", "a\\b", "a^b", "ü1", "v"]
        .iter()
        .map(|end| format!("{}{end}", target.unique))
        .collect();
    for key in &keys {
        put(&cache, key, &[("a", "1")], None).await;
    }
    for key in &keys {
        assert_eq!(cache.count(key).await.unwrap(), 1, "{key}");
        assert_eq!(cache.keys(key, None, 10).await.unwrap().keys, std::slice::from_ref(key));
    }
    assert_eq!(cache.count(&format!("{}a", target.unique)).await.unwrap(), 6);
    assert_eq!(cache.count(&format!("{}ü", target.unique)).await.unwrap(), 1);
    clean(&cache, &keys).await;
}

async fn a_hash_goes_when_its_time_has_come(target: Target) {
    let cache = open(&target).await;
    let key = target.name("expires");
    put(&cache, &key, &[("old", "1")], Some(Duration::from_millis(400))).await;
    assert!(cache.hash(&key).await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(cache.hash(&key).await.unwrap(), None);
    assert_eq!(cache.count(&key).await.unwrap(), 0);
    assert!(cache.keys(&key, None, 10).await.unwrap().keys.is_empty());
    assert_eq!(cache.delete(std::slice::from_ref(&key)).await.unwrap(), 0);
    put(&cache, &key, &[("new", "1")], None).await;
    assert_eq!(cache.hash(&key).await.unwrap(), Some(hash(&[("new", "1")])));
    clean(&cache, &[key]).await;
}

async fn a_time_to_live_stays_until_another_is_given(target: Target) {
    let cache = open(&target).await;
    let (brief, longer) = (target.name("brief"), target.name("longer"));
    for key in [&brief, &longer] {
        put(&cache, key, &[("a", "1")], Some(Duration::from_millis(500))).await;
    }
    put(&cache, &brief, &[("b", "2")], None).await;
    put(&cache, &longer, &[("b", "2")], Some(Duration::from_secs(60))).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(cache.hash(&brief).await.unwrap(), None);
    assert!(cache.hash(&longer).await.unwrap().is_some());
    clean(&cache, &[brief, longer]).await;
}

async fn deleting_tells_how_many_there_were(target: Target) {
    let cache = open(&target).await;
    let (one, two) = (target.name("one"), target.name("two"));
    put(&cache, &one, &[("a", "1")], None).await;
    assert_eq!(cache.delete(&[one.clone(), two]).await.unwrap(), 1);
    assert_eq!(cache.hash(&one).await.unwrap(), None);
    assert_eq!(cache.delete(&[]).await.unwrap(), 0);
}

async fn a_hash_without_fields_is_not_put(target: Target) {
    let cache = open(&target).await;
    let key = target.name("empty");
    put(&cache, &key, &[], None).await;
    cache.put_hashes(&[], None).await.unwrap();
    assert_eq!(cache.hash(&key).await.unwrap(), None);
}

async fn commands_are_answered_as_json(target: Target) {
    let cache = open(&target).await;
    let key = target.name("command");
    let run = |parts: &[&str]| {
        let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        let cache = Arc::clone(&cache);
        async move { cache.command(&parts).await }
    };
    assert_eq!(run(&["EXISTS", &key]).await.unwrap(), json!(0));
    assert_eq!(run(&["HSET", &key, "a", "1", "b", "é"]).await.unwrap(), json!(2));
    assert_eq!(run(&["HSET", &key, "a", "2", "c", "3"]).await.unwrap(), json!(1));
    assert_eq!(run(&["HGET", &key, "b"]).await.unwrap(), json!("é"));
    assert_eq!(run(&["HGET", &key, "x"]).await.unwrap(), json!(null));
    assert_eq!(run(&["HLEN", &key]).await.unwrap(), json!(3));
    assert_eq!(run(&["EXISTS", &key, &key]).await.unwrap(), json!(2));
    assert_eq!(run(&["DEL", &key]).await.unwrap(), json!(1));
    assert!(run(&["NOSUCHCOMMAND"]).await.is_err());
    assert!(run(&[]).await.is_err());
}

async fn it_answers(target: Target) {
    open(&target).await.ping().await.unwrap();
}
