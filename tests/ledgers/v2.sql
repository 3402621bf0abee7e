PRAGMA foreign_keys = OFF;
PRAGMA user_version = 2;
CREATE TABLE configs (
        path BLOB NOT NULL,
        module TEXT NOT NULL,
        digest TEXT NOT NULL,
        contents BLOB,
        mode INTEGER NOT NULL,
        created INTEGER NOT NULL,
        original BLOB,
        pending TEXT,
        PRIMARY KEY (path, module)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "configs" VALUES(X'@HEX@2F2E746F6F6C7263','tool','465d200b86dc1add300e7ca0c9f67e7ee883392969a896608935aa29956bc06f',X'736574206F6E650A',420,1,NULL,NULL);
CREATE TABLE durations (
        module TEXT PRIMARY KEY,
        seconds REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "durations" VALUES('base',0.006587021);
INSERT INTO "durations" VALUES('tool',0.006675021);
CREATE TABLE files (
        path BLOB NOT NULL,
        module TEXT NOT NULL,
        kind TEXT NOT NULL,
        mode INTEGER NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (path, module)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "files" VALUES(X'@HEX@2F2E62617365','base','directory',493,'');
INSERT INTO "files" VALUES(X'@HEX@2F2E626173652F66696C65','base','file',420,'2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806');
INSERT INTO "files" VALUES(X'@HEX@2F2E746F6F6C','tool','directory',493,'');
INSERT INTO "files" VALUES(X'@HEX@2F2E746F6F6C2F62696E','tool','directory',493,'');
INSERT INTO "files" VALUES(X'@HEX@2F2E746F6F6C2F62696E2F6C696E6B','tool','link',511,'acba25512100f80b56fc3ccd14c65be55d94800cda77585c5f41a887e398f9be');
INSERT INTO "files" VALUES(X'@HEX@2F2E746F6F6C2F62696E2F72756E','tool','file',420,'b5004f26a852b0d60ec1237432c1a33c2307ff2458c374d9d99749d045c7feb9');
CREATE TABLE "modules" (
        name TEXT PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('begun', 'installed', 'failed', 'removing')),
        method TEXT NOT NULL,
        digest TEXT NOT NULL,
        source TEXT NOT NULL,
        run INTEGER NOT NULL REFERENCES runs (id),
        begun_at TEXT NOT NULL,
        installed_at TEXT,
        version TEXT,
        paths TEXT NOT NULL DEFAULT '[]',
        planned TEXT NOT NULL DEFAULT '[]',
        absent TEXT NOT NULL DEFAULT '[]',
        adopted INTEGER NOT NULL DEFAULT 0,
        requires TEXT NOT NULL DEFAULT '[]',
        removal TEXT NOT NULL DEFAULT '{}',
        found TEXT NOT NULL DEFAULT '[]',
        aside TEXT NOT NULL DEFAULT '[]'
    ) STRICT;
INSERT INTO "modules" VALUES('base','installed','custom','24f9d0fcbc6c75415b10fd3aebeb0ea7b79b3888a4fd2f49c870331bd6dc3a25','collection',1,'2026-11-28T01:10:25.940110216Z','2026-11-28T01:10:25.945799185Z',NULL,'["@HOME@/.base"]','[]','[]',0,'[]','{"paths":["@HOME@/.base"],"python":[],"target":"@HOME@/.local","function":false,"root":"@HOME@/collection"}','[]','[]');
INSERT INTO "modules" VALUES('tool','installed','custom','765b4f1273ec332aea337e3c62d7b8d2b71b448c39d009ec5f3bfc28daa9cba6','collection',5,'2026-11-28T01:10:26.020108249Z','2026-11-28T01:10:26.028072541Z',NULL,'["@HOME@/.tool"]','[]','[]',0,'["base"]','{"paths":["@HOME@/.tool"],"python":[],"target":"@HOME@/.local","function":false,"root":"@HOME@/collection"}','[]','[]');
INSERT INTO "modules" VALUES('bad','failed','custom','3d9b3839214f339a9752d1b393d77be31bef6d83549dd33d3ab162ae6f2fd256','collection',2,'2026-11-28T01:10:25.967124705Z',NULL,NULL,'[]','[]','[]',0,'[]','{"paths":[],"python":[],"target":"@HOME@/.local","function":false,"root":"@HOME@/collection"}','[]','[]');
CREATE TABLE results (
        run INTEGER NOT NULL REFERENCES runs (id),
        module TEXT NOT NULL,
        status TEXT NOT NULL,
        duration_ms INTEGER NOT NULL,
        reason TEXT,
        PRIMARY KEY (run, module)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "results" VALUES(1,'base','installed',6,NULL);
INSERT INTO "results" VALUES(1,'tool','installed',6,NULL);
INSERT INTO "results" VALUES(2,'bad','failed',4,'main_module failed with exit code 3');
INSERT INTO "results" VALUES(3,'gone','installed',7,NULL);
INSERT INTO "results" VALUES(4,'gone','removed',1,NULL);
INSERT INTO "results" VALUES(5,'tool','updated',9,NULL);
CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        action TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT,
        status TEXT NOT NULL
    , request TEXT, scratch TEXT) STRICT;
INSERT INTO "runs" VALUES(1,'20261128T011025938Z-2233','install',2233,'2026-11-28T01:10:25.9384831Z','2026-11-28T01:10:25.953343231Z','ok','{"action":"install","selection":"Tiers","with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false}','@HOME@/tmp/hoist-run-20261128T011025938Z-2233');
INSERT INTO "runs" VALUES(2,'20261128T011025965Z-2244','install',2244,'2026-11-28T01:10:25.965149698Z','2026-11-28T01:10:25.971374697Z','partial','{"action":"install","selection":{"Names":["bad"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false}','@HOME@/tmp/hoist-run-20261128T011025965Z-2244');
INSERT INTO "runs" VALUES(3,'20261128T011025981Z-2251','install',2251,'2026-11-28T01:10:25.981393237Z','2026-11-28T01:10:25.990336793Z','ok','{"action":"install","selection":{"Names":["gone"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false}','@HOME@/tmp/hoist-run-20261128T011025981Z-2251');
INSERT INTO "runs" VALUES(4,'20261128T011026001Z-2259','uninstall',2259,'2026-11-28T01:10:26.001916409Z','2026-11-28T01:10:26.005367315Z','ok','{"action":"uninstall","selection":{"Names":["gone"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false}','@HOME@/tmp/hoist-run-20261128T011026001Z-2259');
INSERT INTO "runs" VALUES(5,'20261128T011026017Z-2265','update',2265,'2026-11-28T01:10:26.017734523Z','2026-11-28T01:10:26.029622434Z','ok','{"action":"update","selection":"Tiers","with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false}','@HOME@/tmp/hoist-run-20261128T011026017Z-2265');
CREATE INDEX files_of_module ON files (module);
