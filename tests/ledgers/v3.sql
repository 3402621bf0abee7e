PRAGMA foreign_keys = OFF;
PRAGMA user_version = 3;
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
INSERT INTO "durations" VALUES('base',0.006454198);
INSERT INTO "durations" VALUES('mod_push',0.00262802);
INSERT INTO "durations" VALUES('tool',0.007157433);
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
INSERT INTO "files" VALUES(X'@HEX@2F706C7567696E732F6D6F645F70757368','mod_push','directory',493,'');
INSERT INTO "files" VALUES(X'@HEX@2F706C7567696E732F6D6F645F707573682F524541444D452E6D64','mod_push','file',420,'9f6aca0efccd486deea0add7bc711ea77fcd9bfc7b100d8adb4bfaaba92ab100');
INSERT INTO "files" VALUES(X'@HEX@2F706C7567696E732F6D6F645F707573682F6D6F645F707573682E6C7561','mod_push','file',420,'4d8da41736e15850e7897dad639c3ec98526059ec43715ba1c3b38ec674345d8');
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
    , asked INTEGER NOT NULL DEFAULT 1) STRICT;
INSERT INTO "modules" VALUES('base','installed','custom','24f9d0fcbc6c75415b10fd3aebeb0ea7b79b3888a4fd2f49c870331bd6dc3a25','collection',1,'2026-11-28T01:10:26.176571718Z','2026-11-28T01:10:26.182146573Z',NULL,'["@HOME@/.base"]','[]','[]',0,'[]','{"paths":["@HOME@/.base"],"python":[],"target":"@HOME@/.local","function":false,"root":"@HOME@/collection","into":null,"rock":null}','[]','[]',1);
INSERT INTO "modules" VALUES('tool','installed','custom','765b4f1273ec332aea337e3c62d7b8d2b71b448c39d009ec5f3bfc28daa9cba6','collection',5,'2026-11-28T01:10:26.260196187Z','2026-11-28T01:10:26.268301754Z',NULL,'["@HOME@/.tool"]','[]','[]',0,'["base"]','{"paths":["@HOME@/.tool"],"python":[],"target":"@HOME@/.local","function":false,"root":"@HOME@/collection","into":null,"rock":null}','[]','[]',1);
INSERT INTO "modules" VALUES('bad','failed','custom','3d9b3839214f339a9752d1b393d77be31bef6d83549dd33d3ab162ae6f2fd256','collection',2,'2026-11-28T01:10:26.204470909Z',NULL,NULL,'[]','[]','[]',0,'[]','{"paths":[],"python":[],"target":"@HOME@/.local","function":false,"root":"@HOME@/collection","into":null,"rock":null}','[]','[]',1);
INSERT INTO "modules" VALUES('mod_push','installed','copy','08ea564a499ac1746fcf793b4d5c123da201bd4dbc3d2472225ac568fa28c007','community',6,'2026-11-28T01:10:27.167280803Z','2026-11-28T01:10:27.168728133Z','6d67a856c682','["@HOME@/plugins/mod_push","@HOME@/plugins/mod_push/mod_push.lua"]','[]','[]',0,'[]','{"paths":[],"python":[],"target":null,"function":false,"root":null,"into":"@HOME@/plugins","rock":null}','[]','[]',1);
CREATE TABLE results (
        run INTEGER NOT NULL REFERENCES runs (id),
        module TEXT NOT NULL,
        status TEXT NOT NULL,
        duration_ms INTEGER NOT NULL,
        reason TEXT,
        PRIMARY KEY (run, module)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "results" VALUES(1,'base','installed',6,NULL);
INSERT INTO "results" VALUES(1,'tool','installed',7,NULL);
INSERT INTO "results" VALUES(2,'bad','failed',3,'main_module failed with exit code 3');
INSERT INTO "results" VALUES(3,'gone','installed',6,NULL);
INSERT INTO "results" VALUES(4,'gone','removed',2,NULL);
INSERT INTO "results" VALUES(5,'tool','updated',10,NULL);
INSERT INTO "results" VALUES(6,'mod_push','installed',2,NULL);
CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        action TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT,
        status TEXT NOT NULL
    , request TEXT, scratch TEXT) STRICT;
INSERT INTO "runs" VALUES(1,'20261128T011026174Z-2316','install',2316,'2026-11-28T01:10:26.174931348Z','2026-11-28T01:10:26.190158871Z','ok','{"action":"install","selection":"Tiers","with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"source":null}','@HOME@/tmp/hoist-run-20261128T011026174Z-2316');
INSERT INTO "runs" VALUES(2,'20261128T011026202Z-2327','install',2327,'2026-11-28T01:10:26.202578474Z','2026-11-28T01:10:26.208328264Z','partial','{"action":"install","selection":{"Names":["bad"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"source":null}','@HOME@/tmp/hoist-run-20261128T011026202Z-2327');
INSERT INTO "runs" VALUES(3,'20261128T011026218Z-2334','install',2334,'2026-11-28T01:10:26.218431465Z','2026-11-28T01:10:26.226408209Z','ok','{"action":"install","selection":{"Names":["gone"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"source":null}','@HOME@/tmp/hoist-run-20261128T011026218Z-2334');
INSERT INTO "runs" VALUES(4,'20261128T011026241Z-2342','uninstall',2342,'2026-11-28T01:10:26.242013133Z','2026-11-28T01:10:26.245780948Z','ok','{"action":"uninstall","selection":{"Names":["gone"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"source":null}','@HOME@/tmp/hoist-run-20261128T011026241Z-2342');
INSERT INTO "runs" VALUES(5,'20261128T011026257Z-2348','update',2348,'2026-11-28T01:10:26.258107221Z','2026-11-28T01:10:26.269902481Z','ok','{"action":"update","selection":"Tiers","with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"source":null}','@HOME@/tmp/hoist-run-20261128T011026257Z-2348');
INSERT INTO "runs" VALUES(6,'20261128T011027165Z-2368','install',2368,'2026-11-28T01:10:27.165100796Z','2026-11-28T01:10:27.169430137Z','ok','{"action":"install","selection":{"Names":["mod_push"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"source":null}','@HOME@/tmp/hoist-run-20261128T011027165Z-2368');
CREATE INDEX files_of_module ON files (module);
