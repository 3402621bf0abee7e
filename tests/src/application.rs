//! A web application with modules, in the home directory of a sandbox: made by the tests, run by
//! the real PHP.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::{Ran, Sandbox};

/// An application in `site/app-nullos`, beside which a `www` stands; and a directory `modules` with
/// modules for it.
pub struct Application {
    /// The home directory, with hoist in it.
    pub sandbox: Sandbox,
}

/// What initialises it: an autoloader, a constant, and a variable of the global scope, as such
/// files have them.
const INIT: &str = r#"<?php
define('APP_ROOT_DIR', __DIR__);
spl_autoload_register(function ($class) {
    foreach (['class', 'class-modules'] as $directory) {
        $file = __DIR__ . "/$directory/" . str_replace('\\', '/', $class) . '.php';
        if (is_file($file)) {
            require_once $file;
        }
    }
});
$initialized = $_SERVER['PHP_SELF'];
// modules
"#;

const INTERFACE: &str = "<?php\nnamespace Installer\\Report;\ninterface ReportInterface { public function addMessage($m); public function getMessages(); }\n";
const REPORT: &str = "<?php\nnamespace Installer\\Report;\nclass Report implements ReportInterface {\n    private $messages = [];\n    \
    public function addMessage($m) { $this->messages[] = new Message($m); return $this; }\n    public function getMessages() { return $this->messages; }\n}\n";
const MESSAGE: &str = "<?php\nnamespace Installer\\Report;\nclass Message {\n    private $m;\n    public function __construct($m) { $this->m = $m; }\n    \
    public function getMessage() { return $this->m; }\n}\n";
/// What installers have in common: they copy their assets over the application, and edit its init
/// file.
const TOOLS: &str = r#"<?php
class Tools
{
    public static function copy($from, $to)
    {
        foreach (scandir($from) as $name) {
            if ($name[0] !== '.') {
                if (is_dir("$from/$name")) {
                    @mkdir("$to/$name", 0777, true);
                    self::copy("$from/$name", "$to/$name");
                } else {
                    copy("$from/$name", "$to/$name");
                }
            }
        }
    }

    public static function remove($path)
    {
        if (is_dir($path) && !is_link($path)) {
            array_map(function ($name) use ($path) { self::remove("$path/$name"); }, array_diff(scandir($path), ['.', '..']));
            rmdir($path);
        } else {
            @unlink($path);
        }
    }

    public static function edit($line, $add)
    {
        $file = APP_ROOT_DIR . '/init.php';
        $text = str_replace("$line\n", '', file_get_contents($file));
        file_put_contents($file, $add ? str_replace("// modules\n", "// modules\n$line\n", $text) : $text);
    }
}
"#;

impl Default for Application {
    fn default() -> Self {
        Self::new()
    }
}

impl Application {
    /// An application without modules.
    pub fn new() -> Self {
        let sandbox = Sandbox::new();
        let application = Self { sandbox };
        application.put("init.php", INIT);
        application.put("class/Installer/Report/ReportInterface.php", INTERFACE);
        application.put("class/Installer/Report/Report.php", REPORT);
        application.put("class/Installer/Report/Message.php", MESSAGE);
        application.put("class/Tools.php", TOOLS);
        application.put("lang/en/core.php", "<?php return ['yes' => 'Yes'];\n");
        application.put(
            "../www/index.php",
            "<?php require '../app-nullos/init.php';\n",
        );
        std::fs::create_dir_all(application.root().join("class-modules")).unwrap();
        application
    }

    /// Its root.
    pub fn root(&self) -> PathBuf {
        self.sandbox.home().join("site/app-nullos")
    }

    /// Writes a file of the application.
    pub fn put(&self, path: &str, text: &str) -> &Self {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Writes a file of a module, in the directory that modules come from.
    pub fn offer(&self, path: &str, text: &str) -> &Self {
        self.sandbox.put(&format!("modules/{path}"), text);
        self
    }

    /// Offers a module whose installer class has this body.
    pub fn module(&self, name: &str, body: &str) -> &Self {
        let text = format!(
            "<?php\nnamespace {name};\n\nuse Installer\\Report\\Report;\nuse Installer\\Report\\ReportInterface;\n\nclass {name}Installer\n{{\n{body}\n}}\n"
        );
        self.offer(&format!("{name}/{name}Installer.php"), &text)
    }

    /// Offers a module that copies its assets over the application and the site, adds a line to the
    /// init file, and takes all of that back by deleting whole directories: what real ones do.
    pub fn usual(&self, name: &str) -> &Self {
        let low = name.to_lowercase();
        self.offer(
            &format!("{name}/InstallAssets/app-nullos/lang/en/modules/{low}/{low}.php"),
            &format!("<?php return ['{low}' => 1];\n"),
        );
        self.offer(
            &format!("{name}/InstallAssets/app-nullos/pages/modules/{low}/home.php"),
            &format!("<?php echo '{low}';\n"),
        );
        self.offer(
            &format!("{name}/InstallAssets/www/modules/{low}/style.css"),
            &format!(".{low} {{}}\n"),
        );
        self.offer(
            &format!("{name}/{name}Module.php"),
            &format!("<?php\nnamespace {name};\nclass {name}Module {{}}\n"),
        );
        let body = format!(
            "    public static function install()\n    {{\n        \\Tools::copy(__DIR__ . '/InstallAssets', dirname(APP_ROOT_DIR));\n        \
             \\Tools::edit('new \\\\{name}\\\\{name}Module();', true);\n    }}\n\n    public static function uninstall()\n    {{\n        \
             foreach (['app-nullos/lang/en', 'app-nullos/pages', 'www'] as $directory) {{\n            \
             \\Tools::remove(dirname(APP_ROOT_DIR) . \"/$directory/modules/{low}\");\n        }}\n        \
             \\Tools::edit('new \\\\{name}\\\\{name}Module();', false);\n    }}"
        );
        self.module(name, &body)
    }

    /// Makes a file of an offered module one that can be run.
    pub fn may_run(&self, path: &str) -> &Self {
        let path = self.sandbox.home().join("modules").join(path);
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        self
    }

    /// Names it, with its modules, in the user's settings: as `site`.
    pub fn configured(&self) -> &Self {
        self.sandbox.settings(
            "sources:\n- application: ~/site/app-nullos\n  name: site\n  from: ~/modules\n",
        );
        self
    }

    /// Installs modules by their directories.
    pub fn install(&self, names: &str) -> Ran {
        let names: String = names
            .split_whitespace()
            .map(|name| format!(" {}", self.place(name)))
            .collect();
        self.sandbox
            .json(&format!("install{names} --app {}", self.root().display()))
    }

    /// The directory of an offered module.
    pub fn place(&self, name: &str) -> String {
        self.sandbox
            .home()
            .join("modules")
            .join(name)
            .display()
            .to_string()
    }

    /// Every path of the site: of files what they hold with their permissions, of links where they
    /// lead.
    pub fn tree(&self) -> BTreeMap<String, String> {
        let site = self.sandbox.home().join("site");
        let mut found = BTreeMap::new();
        let mut waiting = vec![site.clone()];
        while let Some(path) = waiting.pop() {
            let name = path.strip_prefix(&site).unwrap().display().to_string();
            let metadata = path.symlink_metadata().unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let shown = if metadata.is_dir() {
                waiting.extend(
                    std::fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
                format!("directory {mode:o}")
            } else if metadata.is_symlink() {
                format!("link {}", path.read_link().unwrap().display())
            } else {
                format!(
                    "{mode:o} {}",
                    String::from_utf8_lossy(&std::fs::read(&path).unwrap())
                )
            };
            found.insert(name, shown);
        }
        found
    }

    /// What a file of the application holds.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        let path = self.root().join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// True when a path of the application exists.
    pub fn has(&self, path: &str) -> bool {
        self.root().join(path).symlink_metadata().is_ok()
    }

    /// The paths that are different between two trees.
    pub fn difference(
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) -> Vec<String> {
        let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
        paths.sort();
        paths.dedup();
        paths
            .into_iter()
            .filter(|path| before.get(*path) != after.get(*path))
            .cloned()
            .collect()
    }
}
