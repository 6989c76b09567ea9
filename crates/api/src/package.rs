//! Packages.

use crate::extract::{Asked, Listed, Path};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_types::PackageId;
use utilidor_view::{PackageView, Page, PageQuery};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_packages)).routes(routes!(get_package))
}

/// All versions of all packages, in the order of publication.
#[utoipa::path(
    get, path = "/v1/packages", tag = "packages", params(PageQuery),
    responses((status = 200, body = Page<PackageView>), Problems)
)]
async fn list_packages(
    State(app): State<App>,
    Asked(viewer): Asked,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<PackageView>>, Problem> {
    Ok(axum::Json(app.ask(viewer, move |questions| questions.packages(paging)).await?))
}

/// A version of a package. Once published it never changes; its owner can close it to new subscriptions.
#[utoipa::path(
    get, path = "/v1/packages/{package}/{version}", tag = "packages",
    params(
        ("package" = PackageId, Path, description = "The package"),
        ("version" = u32, Path, description = "1, then 2, ...")
    ),
    responses((status = 200, body = PackageView), Problems)
)]
async fn get_package(
    State(app): State<App>,
    Asked(viewer): Asked,
    Path((package, version)): Path<(PackageId, u32)>,
) -> Result<axum::Json<PackageView>, Problem> {
    let row = app.ask(viewer, move |questions| questions.package(package, version)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("version {version} of package {package}")))
}
