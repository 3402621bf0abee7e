//! The machine that is changed, as far as methods need to know it: looked at once, before the run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hoist_core::Environment;
use hoist_executor::{Cancel, Effect, Failure, Limits, Task, TaskContext, TaskGraph, execute};

use crate::builtin::package::Manager;
use crate::http::Client;
use crate::os::Os;
use crate::programs::find_in;
use crate::recover::RUN;
use crate::scratch::{self, Spare};

/// What is done when a run ends.
type Cleanup = Box<dyn FnOnce(&Machine, &TaskContext) -> Result<(), Failure> + Send>;

/// The machine, as methods see it.
pub struct Machine {
    /// The environment hoist was started in.
    pub environment: Environment,
    /// The home directory, absolute.
    pub home: PathBuf,
    /// hoist itself, for scripts that call back.
    pub hoist: PathBuf,
    /// Where hoist may keep what can be made again.
    pub cache: PathBuf,
    pub(crate) root: bool,
    os: OnceLock<Os>,
    manager: OnceLock<Option<&'static Manager>>,
    bash: OnceLock<Option<PathBuf>>,
    surroundings: OnceLock<BTreeMap<String, String>>,
    run: OnceLock<String>,
    pub(crate) spare: Spare,
    downloads: Mutex<Option<tempfile::TempDir>>,
    /// What is to be done when the run ends.
    cleanups: Mutex<Vec<Cleanup>>,
    stall_timeout: OnceLock<Duration>,
    require_checksums: AtomicBool,
    http: OnceLock<Client>,
    /// Whether Compose is a plugin of the Docker client.
    pub(crate) compose_is_plugin: OnceLock<bool>,
}

/// The shell helpers for collections that bring none, by the names that scripts source them by.
pub(crate) const LIBRARY: &[(&str, &str)] = &[
    ("common.sh", include_str!("../lib/common.sh")),
    (
        "module-handlers.sh",
        include_str!("../lib/module-handlers.sh"),
    ),
    ("module-api.sh", include_str!("../lib/module-api.sh")),
];

/// What runs the installers in PHP of an application's modules.
pub(crate) const RUNNER: &str = include_str!("../lib/run-installer.php");

/// The variable by which scripts that call hoist back know that installer scripts need a checksum.
pub(crate) const REQUIRE_CHECKSUMS: &str = "HOIST_REQUIRE_CHECKSUMS";

/// How long a transfer may print nothing where no setting says otherwise.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A file that is larger is no archive of a module.
const DOWNLOAD_LIMIT: u64 = 256 * 1024 * 1024;

/// Variables by which the surroundings would change how a script runs.
const FOREIGN: &[&str] = &[
    "BASHOPTS",
    "BASH_ENV",
    "CDPATH",
    "ENV",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
    "GLOBIGNORE",
    "POSIXLY_CORRECT",
    "SHELLOPTS",
];

impl Machine {
    /// Says which run this is, before anything of it starts: processes are known by its name, and
    /// their temporary files stand in the directory that is returned.
    pub fn begin_run(&self, name: &str) -> PathBuf {
        let _ = self.run.set(name.to_owned());
        scratch::clean();
        let scratch = scratch::directory_of(name);
        self.spare.keep_in(scratch.clone());
        scratch
    }

    /// Does what was left for the end of the run and removes its temporary files; before it is
    /// written down that the run has ended, so that they are found if it never is.
    pub fn end_run(self: &Arc<Self>) {
        let cleanups = std::mem::take(&mut *self.cleanups());
        let mut graph = TaskGraph::default();
        for cleanup in cleanups {
            let unit = graph.unit("cleanup");
            let machine = self.clone();
            let mut cleanup = Some(cleanup);
            let work = move |task: &TaskContext| -> Result<Effect, Failure> {
                let done = cleanup.take().map(|cleanup| cleanup(&machine, task));
                done.unwrap_or(Ok(())).map(|()| Effect::Changed)
            };
            graph.task(Task::new(unit, "end", work));
        }
        // What cannot be cleaned up is for the next run.
        if !graph.is_empty() {
            let _ = execute(graph, &Limits::default(), &Cancel::default(), |_| {});
        }
        drop(
            self.downloads
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        self.spare.clear();
    }

    /// Leaves something to be done when the run ends.
    pub(crate) fn at_end(&self, cleanup: Cleanup) {
        self.cleanups().push(cleanup);
    }

    fn cleanups(&self) -> MutexGuard<'_, Vec<Cleanup>> {
        self.cleanups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the run keeps what it fetched under this name, until its end.
    pub(crate) fn downloaded(&self, file: &str) -> Result<PathBuf, Failure> {
        let mut downloads = self
            .downloads
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if downloads.is_none() {
            *downloads = Some(self.spare.directory("downloads")?);
        }
        Ok(downloads
            .as_ref()
            .map_or_else(PathBuf::new, |directory| directory.path().join(file)))
    }

    /// Fetches a file; one that was fetched stays.
    pub(crate) fn download(
        &self,
        url: &str,
        file: &str,
        task: &TaskContext,
    ) -> Result<Effect, Failure> {
        let path = self.downloaded(file)?;
        if !path.exists() {
            let bytes = self.http().read(url, DOWNLOAD_LIMIT)?;
            task.check()?;
            hoist_files::write(&path, &bytes, 0o600)
                .map_err(|error| Failure::new(error.to_string()))?;
        }
        Ok(Effect::Unchanged)
    }

    /// Takes what is known; everything else is looked up when it is first needed.
    pub fn new(environment: Environment, home: PathBuf, hoist: PathBuf, cache: PathBuf) -> Self {
        let root = rustix::process::geteuid().is_root();
        let require_checksums = environment
            .get(REQUIRE_CHECKSUMS)
            .is_some_and(|value| value == "true");
        Self {
            environment,
            home,
            hoist,
            cache,
            root,
            os: OnceLock::new(),
            manager: OnceLock::new(),
            bash: OnceLock::new(),
            surroundings: OnceLock::new(),
            run: OnceLock::new(),
            spare: Spare::default(),
            downloads: Mutex::default(),
            cleanups: Mutex::default(),
            stall_timeout: OnceLock::new(),
            require_checksums: AtomicBool::new(require_checksums),
            http: OnceLock::new(),
            compose_is_plugin: OnceLock::new(),
        }
    }

    /// The client for downloads.
    pub(crate) fn http(&self) -> &Client {
        self.http.get_or_init(|| Client::new(&self.environment))
    }

    /// Sets how long a program that talks to a server may print nothing.
    pub fn set_stall_timeout(&self, limit: Duration) {
        let _ = self.stall_timeout.set(limit);
    }

    /// From now on an installer script has to have a checksum in its manifest.
    pub fn require_checksums(&self) {
        self.require_checksums.store(true, Ordering::Relaxed);
    }

    /// Returns true where an installer script has to have a checksum in its manifest.
    pub(crate) fn requires_checksums(&self) -> bool {
        self.require_checksums.load(Ordering::Relaxed)
    }

    /// The time after which a program that talks to a server and prints nothing is taken for
    /// stalled.
    pub(crate) fn stall_timeout(&self) -> Duration {
        *self.stall_timeout.get_or_init(|| STALL_TIMEOUT)
    }

    pub(crate) fn os(&self) -> &Os {
        self.os.get_or_init(Os::here)
    }

    pub(crate) fn manager(&self) -> Option<&'static Manager> {
        *self
            .manager
            .get_or_init(|| Manager::detect(&self.environment.path()))
    }

    /// What the system's package manager is called, where there is one.
    pub fn package_manager(&self) -> Option<&'static str> {
        self.manager().map(|manager| manager.name)
    }

    /// True when hoist runs as root.
    pub fn is_root(&self) -> bool {
        self.root
    }

    /// The bash that scripts run in; looked for once, since a program given by its path starts
    /// faster.
    pub(crate) fn bash(&self) -> Option<&Path> {
        self.bash
            .get_or_init(|| self.find_program("bash", &[]))
            .as_deref()
    }

    /// The file that a name leads to on the path or in one of the `more` directories, as a shell
    /// would find it.
    pub fn find_program(&self, name: &str, more: &[PathBuf]) -> Option<PathBuf> {
        find_in(self.environment.path().iter().chain(more), name)
    }

    /// The path of a program, as text.
    pub fn program_shown(&self, name: &str) -> Option<String> {
        let path = self.find_program(name, &[])?;
        Some(path.display().to_string())
    }

    /// The environment for a module's script: what hoist was started in without its `MODULE_…`,
    /// what the machine is, and `variables`. `more` directories, joined as in a `PATH`, come second
    /// there.
    pub(crate) fn script_environment(
        &self,
        variables: &BTreeMap<String, String>,
        more: &str,
    ) -> BTreeMap<String, String> {
        let mut environment = self.surroundings.get_or_init(|| self.look_around()).clone();
        if let (false, Some(path)) = (more.is_empty(), environment.get_mut("PATH")) {
            let (first, rest) = path.split_once(':').unwrap_or((path, ""));
            *path = format!("{first}:{more}:{rest}");
        }
        environment.extend(
            variables
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        environment
    }

    /// The part of a script's environment that is the same for all.
    fn look_around(&self) -> BTreeMap<String, String> {
        // What would make a bash run or mean something else before it reads the script stays
        // outside.
        let foreign = |name: &str| {
            name.starts_with("MODULE_") || name.starts_with("BASH_FUNC_") || FOREIGN.contains(&name)
        };
        let inherited = self.environment.iter().filter(|(name, _)| !foreign(name));
        let mut environment: BTreeMap<String, String> = inherited
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let os = self.os();
        let manager = self.manager();
        let path: Vec<String> = self
            .environment
            .path()
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let known = [
            ("PATH", path.join(":")),
            ("HOME", self.home.display().to_string()),
            ("HOIST_BIN", self.hoist.display().to_string()),
            ("OS_FAMILY", os.family.clone()),
            ("OS_ID", os.id.clone()),
            ("OS_VERSION", os.version.clone()),
            ("OS_NAME", os.name.clone()),
            (
                "PKG_MANAGER",
                manager
                    .map(|manager| manager.name)
                    .unwrap_or_default()
                    .to_owned(),
            ),
            (
                "PKG_INSTALL",
                manager
                    .map(|manager| manager.install.join(" "))
                    .unwrap_or_default(),
            ),
            (
                "PKG_UPDATE",
                manager
                    .map(|manager| manager.refresh.join(" "))
                    .unwrap_or_default(),
            ),
            ("GIT_TERMINAL_PROMPT", "0".to_owned()),
        ];
        environment.extend(known.map(|(name, value)| (name.to_owned(), value)));
        if self.requires_checksums() {
            environment.insert(REQUIRE_CHECKSUMS.to_owned(), "true".to_owned());
        }
        environment.extend(self.run.get().map(|run| (RUN.to_owned(), run.clone())));
        environment
            .entry("DEBIAN_FRONTEND".to_owned())
            .or_insert_with(|| "noninteractive".to_owned());
        environment
    }
}

pub(crate) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
