//! What all measurements share: how large they are, where they work, and the data folders that are filled once.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use provisioning::ResourceId;

use crate::people;
use crate::seed::Folder;
use crate::server::Tenant;

/// How large the measurements are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) name: &'static str,
    pub(crate) rounds: usize,
    /// How long one side of a round takes.
    pub(crate) round: Duration,
    /// People of the tenant that lists and groups are measured on.
    pub(crate) town: u64,
    /// People, and at least as many events, of the tenant that start, memory and rebuild are measured on.
    pub(crate) city: u64,
}

impl Scale {
    /// The sizes that the goals name.
    pub(crate) const FULL: Self =
        Self { name: "full", rounds: 5, round: Duration::from_secs(2), town: 100_000, city: 1_000_000 };

    /// Enough to see where things stand.
    pub(crate) const QUICK: Self =
        Self { name: "quick", rounds: 3, round: Duration::from_millis(700), town: 20_000, city: 60_000 };
}

/// People of the small tenant beside the town.
pub(crate) const VILLAGE: u64 = 1_000;
/// People of a page, of a small group; so many are in no large one.
pub(crate) const PAGE: usize = 100;
/// Members of a small group.
pub(crate) const SMALL_GROUP: usize = 10;
/// How many people are in no group, to be added and removed.
pub(crate) const SPARE: usize = 50;

/// A large tenant with groups, and a small one.
pub(crate) struct Town {
    pub(crate) data: PathBuf,
    pub(crate) large: Tenant,
    pub(crate) ids: Arc<Vec<String>>,
    pub(crate) small: Tenant,
    /// Everybody but the second [`PAGE`] people and the last [`SPARE`].
    pub(crate) large_group: String,
    /// The first of the groups that the second [`PAGE`] people are in.
    pub(crate) small_group: String,
    /// Bytes of the tenant's files, before there were groups, by bytes of the documents that were sent.
    pub(crate) disk: Vec<(&'static str, f64)>,
}

/// A tenant without groups.
pub(crate) struct City {
    pub(crate) data: PathBuf,
    pub(crate) tenant: Tenant,
    pub(crate) ids: Arc<Vec<String>>,
}

/// A run.
pub(crate) struct Bench {
    pub(crate) scale: Scale,
    pub(crate) folder: PathBuf,
    town: OnceCell<Town>,
    city: OnceCell<City>,
}

impl Bench {
    /// Works below `target/bench`, on the disk that the build is on: never in memory.
    pub(crate) fn new(scale: Scale) -> anyhow::Result<Self> {
        let folder = home()?.join(std::process::id().to_string());
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self { scale, folder, town: OnceCell::new(), city: OnceCell::new() })
    }

    /// An empty folder.
    pub(crate) fn empty(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    pub(crate) fn town(&self) -> anyhow::Result<&Town> {
        if self.town.get().is_none() {
            let town = blocking(found_town(&self.folder.join("town"), self.scale.town))?;
            return Ok(self.town.get_or_init(|| town));
        }
        self.town.get().context("the town was founded")
    }

    /// A tenant in a folder of its own, for what compares two servers.
    pub(crate) fn place(&self, name: &str, people: u64) -> anyhow::Result<City> {
        blocking(found_city(&self.folder.join(name), people))
    }

    pub(crate) fn city(&self) -> anyhow::Result<&City> {
        if self.city.get().is_none() {
            let city = blocking(found_city(&self.folder.join("city"), self.scale.city))?;
            return Ok(self.city.get_or_init(|| city));
        }
        self.city.get().context("the city was founded")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What is left is below `target`.
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}

/// Where reports and data folders lie.
pub(crate) fn home() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("where this program is")?;
    let target = own.ancestors().nth(2).context("this is not run by cargo")?;
    let home = target.join("bench");
    std::fs::create_dir_all(&home).with_context(|| format!("making {}", home.display()))?;
    Ok(home)
}

fn blocking<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

async fn found_town(data: &Path, people: u64) -> anyhow::Result<Town> {
    let folder = Folder::open(data).await?;
    let large = folder.fill("town", people).await?;
    let small = folder.fill("village", VILLAGE).await?;
    folder.close().await;
    let disk = bytes_by_document(&data.join("tenants/town"), people);

    let folder = Folder::open(data).await?;
    let large = folder.resume(large)?;
    let spare = large.ids.len() - SPARE;
    let crowd: Vec<ResourceId> = [&large.ids[..PAGE], &large.ids[2 * PAGE..spare]].concat();
    let large_group = folder.group(&large, "Everybody", &crowd).await?;
    let mut small_group = None;
    for (index, members) in large.ids[PAGE..2 * PAGE].chunks(SMALL_GROUP).enumerate() {
        let id = folder.group(&large, &format!("Team {index}"), members).await?;
        small_group.get_or_insert(id);
    }
    folder.close().await;
    Ok(Town {
        data: data.to_owned(),
        large: large.tenant,
        ids: Arc::new(large.ids.iter().map(ToString::to_string).collect()),
        small: small.tenant,
        large_group,
        small_group: small_group.context("the second page has people")?,
        disk,
    })
}

async fn found_city(data: &Path, people: u64) -> anyhow::Result<City> {
    let folder = Folder::open(data).await?;
    let filling = folder.fill("city", people).await?;
    folder.close().await;
    let ids = Arc::new(filling.ids.iter().map(ToString::to_string).collect());
    Ok(City { data: data.to_owned(), tenant: filling.tenant, ids })
}

/// What each file of a tenant holds, by what the documents of its people hold.
fn bytes_by_document(folder: &Path, people: u64) -> Vec<(&'static str, f64)> {
    let documents: usize = (0..people).map(|number| people::document(number).len()).sum();
    let mut sizes = Vec::new();
    for name in ["log.db", "keys.db", "operations.db", "current.db", "history.db"] {
        let mut bytes = 0;
        for suffix in ["", "-wal"] {
            let path = folder.join(format!("{name}{suffix}"));
            bytes += path.metadata().map_or(0, |metadata| metadata.len());
        }
        sizes.push((name, bytes as f64 / documents as f64));
    }
    sizes
}

/// Fills a data folder with one tenant and answers its token.
pub(crate) fn fill(data: &Path, people: u64) -> anyhow::Result<String> {
    Ok(blocking(found_city(data, people))?.tenant.token)
}
