//! The client app, as the node serves it.

mod common;

use common::*;
use reqwest::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use reqwest::{Response, StatusCode};
use utilidor_api::Settings;
use utilidor_types::genesis::ChainKind;

async fn get(world: &World, path: &str, headers: HeaderMap) -> Response {
    world.http.get(format!("{}{path}", world.base)).headers(headers).send().await.unwrap()
}

fn header(response: &Response, name: impl AsRef<str>) -> String {
    response.headers().get(name.as_ref()).map(|value| value.to_str().unwrap().into()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_of_the_app_is_its_front_page_under_its_policy_and_nothing_else_is() {
    let mut world = World::start(ChainKind::Development).await;
    for path in ["/", "/bills", "/explorer/block/7"] {
        let page = get(&world, path, HeaderMap::new()).await;
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        assert!(header(&page, CONTENT_TYPE).starts_with("text/html"), "{path}");
        let policy = header(&page, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(header(&page, CACHE_CONTROL), "no-cache");
        assert!(page.text().await.unwrap().contains("<div id=\"app\">"), "{path}");
    }
    for path in ["/v1/nothing", "/v1", "/assets/none.js"] {
        let missing = get(&world, path, HeaderMap::new()).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&missing, CONTENT_TYPE), "application/problem+json", "{path}");
    }
    let posted = world.http.post(format!("{}/bills", world.base)).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::NOT_FOUND);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apps_files_come_compressed_where_that_is_understood_and_are_kept_by_their_names() {
    let mut world = World::start(ChainKind::Development).await;
    let page = get(&world, "/", HeaderMap::new()).await;
    let tag = header(&page, ETAG);
    let html = page.text().await.unwrap();
    let script = html.split('"').find(|part| part.starts_with("/assets/") && part.ends_with(".js")).unwrap();

    let asks = |name, value: &str| HeaderMap::from_iter([(name, value.parse().unwrap())]);
    let plain = get(&world, script, HeaderMap::new()).await;
    let packed = get(&world, script, asks(ACCEPT_ENCODING, "br;q=1, gzip")).await;
    assert_eq!(header(&plain, CACHE_CONTROL), "public, max-age=31536000, immutable");
    assert_eq!(header(&packed, CONTENT_ENCODING), "gzip");
    assert!(packed.bytes().await.unwrap().len() * 2 < plain.bytes().await.unwrap().len());
    assert_eq!(get(&world, "/", asks(IF_NONE_MATCH, &tag)).await.status(), StatusCode::NOT_MODIFIED);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_demonstrations_node_has_seats() {
    let mut world = World::start(ChainKind::Development).await;
    assert_eq!(get(&world, "/seats.json", HeaderMap::new()).await.text().await.unwrap(), "null");
    world.stop().await;

    let settings = Settings { seats: Some(r#"{"people":[]}"#.into()), ..Settings::default() };
    let mut world = World::start_with(ChainKind::Development, settings).await;
    let seats = get(&world, "/seats.json", HeaderMap::new()).await;
    assert_eq!(header(&seats, CONTENT_TYPE), "application/json");
    assert_eq!(seats.text().await.unwrap(), r#"{"people":[]}"#);
    world.stop().await;
}
