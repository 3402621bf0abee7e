//! The machine that is changed, as far as methods need to know it: looked at once, before the run.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hoist_core::Environment;
use hoist_executor::{Cancel, Effect, Failure, Limits, Task, TaskContext, TaskGraph, execute};

use crate::http::Client;
use crate::os::Os;
use crate::processes::RUN;
use crate::programs::find_in;
use crate::scratch;
use crate::scratch::Spare;

/// What is done when a run ends.
type Cleanup = Box<dyn FnOnce(&Machine, &TaskContext) -> Result<(), Failure> + Send>;

/// What scripts find on a machine beside what every program finds.
#[derive(Debug)]
pub struct MachineTools {
    /// Starts of the names of variables that scripts do not inherit from whoever started hoist.
    pub foreign_prefixes: &'static [&'static str],
    /// Variables with the directories of caches that a confined script has of its own.
    pub private_caches: &'static [&'static str],
    /// Variables that are handed to commands run as root, where sudo allows it.
    pub for_root: &'static [&'static str],
    /// More variables for scripts.
    pub variables: fn(&Machine) -> Vec<(&'static str, String)>,
    /// The command that installs a program of this name on the system, where one is known.
    pub install_command: fn(&Machine, &str) -> Option<String>,
}

impl MachineTools {
    /// Nothing beside what every program finds.
    pub const NONE: Self = Self {
        foreign_prefixes: &[],
        private_caches: &[],
        for_root: &[],
        variables: |_| Vec::new(),
        install_command: |_, _| None,
    };
}

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
    /// True where hoist runs as root.
    pub root: bool,
    os: OnceLock<Os>,
    bash: OnceLock<Option<PathBuf>>,
    surroundings: OnceLock<BTreeMap<String, String>>,
    run: OnceLock<String>,
    /// Temporary directories of the run.
    pub spare: Spare,
    downloads: Mutex<Option<tempfile::TempDir>>,
    /// What is to be done when the run ends.
    cleanups: Mutex<Vec<Cleanup>>,
    stall_timeout: OnceLock<Duration>,
    require_checksums: AtomicBool,
    http: OnceLock<Client>,
    /// What scripts find beside what every program finds.
    tools: &'static MachineTools,
    /// What was found out and stays as it is, by its type.
    known: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

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
    pub fn at_end(&self, cleanup: Cleanup) {
        self.cleanups().push(cleanup);
    }

    fn cleanups(&self) -> MutexGuard<'_, Vec<Cleanup>> {
        self.cleanups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the run keeps what it fetched under this name, until its end.
    pub fn downloaded(&self, file: &str) -> Result<PathBuf, Failure> {
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
    pub fn download(&self, url: &str, file: &str, task: &TaskContext) -> Result<Effect, Failure> {
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
    pub fn new(
        environment: Environment,
        home: PathBuf,
        hoist: PathBuf,
        cache: PathBuf,
        tools: &'static MachineTools,
    ) -> Self {
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
            bash: OnceLock::new(),
            surroundings: OnceLock::new(),
            run: OnceLock::new(),
            spare: Spare::default(),
            downloads: Mutex::default(),
            cleanups: Mutex::default(),
            stall_timeout: OnceLock::new(),
            require_checksums: AtomicBool::new(require_checksums),
            http: OnceLock::new(),
            tools,
            known: Mutex::default(),
        }
    }

    /// The client for downloads.
    pub fn http(&self) -> &Client {
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
    pub fn requires_checksums(&self) -> bool {
        self.require_checksums.load(Ordering::Relaxed)
    }

    /// The time after which a program that talks to a server and prints nothing is taken for
    /// stalled.
    pub fn stall_timeout(&self) -> Duration {
        *self.stall_timeout.get_or_init(|| STALL_TIMEOUT)
    }

    /// The operating system.
    pub fn os(&self) -> &Os {
        self.os.get_or_init(Os::here)
    }

    /// Returns what is known under a type, which is found out where it is not.
    ///
    /// # Errors
    /// It cannot be found out; the next who asks tries again.
    pub fn remember<T: Clone + Send + 'static>(
        &self,
        find_out: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let type_id = TypeId::of::<T>();
        if let Some(found) = known()
            .get(&type_id)
            .and_then(|found| found.downcast_ref::<T>())
        {
            return Ok(found.clone());
        }
        let found = find_out()?;
        known().insert(type_id, Box::new(found.clone()));
        Ok(found)
    }

    /// What programs find on this machine beside what every program finds.
    pub(crate) fn tools(&self) -> &'static MachineTools {
        self.tools
    }

    /// The command that installs a program of this name on the system, where one is known.
    pub fn install_command(&self, program: &str) -> Option<String> {
        (self.tools.install_command)(self, program)
    }

    /// True when hoist runs as root.
    pub fn is_root(&self) -> bool {
        self.root
    }

    /// The bash that scripts run in; looked for once, since a program given by its path starts
    /// faster.
    pub fn bash(&self) -> Option<&Path> {
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

    /// The environment for a module's script: what hoist was started in without what is foreign to it,
    /// what the machine is, and `variables`. `more` directories, joined as in a `PATH`, come second
    /// there.
    pub fn script_environment(
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
            let mut prefixes = self.tools.foreign_prefixes.iter();
            prefixes.any(|prefix| name.starts_with(prefix))
                || name.starts_with("BASH_FUNC_")
                || FOREIGN.contains(&name)
        };
        let inherited = self.environment.iter().filter(|(name, _)| !foreign(name));
        let mut environment: BTreeMap<String, String> = inherited
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let os = self.os();
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
            ("GIT_TERMINAL_PROMPT", "0".to_owned()),
        ];
        let more = (self.tools.variables)(self);
        let all = known.into_iter().chain(more);
        environment.extend(all.map(|(name, value)| (name.to_owned(), value)));
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

/// True for a file that may be run.
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
