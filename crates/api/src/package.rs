//! Packages.

use crate::extract::{PageQuery, Path, Query};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_index::Page;
use utilidor_index::package::PackageRow;
use utilidor_types::PackageId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(packages)).routes(routes!(package))
}

/// All versions of all packages, in the order of publication.
#[utoipa::path(
    get, path = "/v1/packages", tag = "packages", params(PageQuery),
    responses((status = 200, body = Page<PackageRow>), Problems)
)]
async fn packages(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<PackageRow>>, Problem> {
    let paging = page.paging()?;
    Ok(axum::Json(app.read(move |reader| reader.packages(paging)).await?))
}

/// A version of a package. Once published it never changes.
#[utoipa::path(
    get, path = "/v1/packages/{package}/{version}", tag = "packages",
    params(
        ("package" = String, Path, description = "16 bytes in hex"),
        ("version" = u32, Path, description = "1, then 2, ...")
    ),
    responses((status = 200, body = PackageRow), Problems)
)]
async fn package(
    State(app): State<App>,
    Path((package, version)): Path<(PackageId, u32)>,
) -> Result<axum::Json<PackageRow>, Problem> {
    let row = app.read(move |reader| reader.package(package, version)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("version {version} of package {package}")))
}
