PRAGMA foreign_keys = OFF;
PRAGMA user_version = 1;
CREATE TABLE durations (
        module TEXT PRIMARY KEY,
        seconds REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "durations" VALUES('base',0.007833337);
INSERT INTO "durations" VALUES('tool',0.007154838);
CREATE TABLE modules (
        name TEXT PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('begun', 'installed', 'failed')),
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
        adopted INTEGER NOT NULL DEFAULT 0
    ) STRICT;
INSERT INTO "modules" VALUES('base','installed','custom','24f9d0fcbc6c75415b10fd3aebeb0ea7b79b3888a4fd2f49c870331bd6dc3a25','collection',1,'2026-11-28T01:08:37.844264504Z','2026-11-28T01:08:37.851532685Z',NULL,'["@HOME@/.base"]','[]','[]',0);
INSERT INTO "modules" VALUES('tool','installed','custom','480d5672c6020e86ea20e8994325482e9d679ae6874649a4048822fd5ffc3fcc','collection',1,'2026-11-28T01:08:37.852052524Z','2026-11-28T01:08:37.858901537Z',NULL,'["@HOME@/.tool"]','[]','[]',0);
INSERT INTO "modules" VALUES('bad','failed','custom','3d9b3839214f339a9752d1b393d77be31bef6d83549dd33d3ab162ae6f2fd256','collection',2,'2026-11-28T01:08:37.87009891Z',NULL,NULL,'[]','[]','[]',0);
CREATE TABLE results (
        run INTEGER NOT NULL REFERENCES runs (id),
        module TEXT NOT NULL,
        status TEXT NOT NULL,
        duration_ms INTEGER NOT NULL,
        reason TEXT,
        PRIMARY KEY (run, module)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "results" VALUES(1,'base','installed',7,NULL);
INSERT INTO "results" VALUES(1,'tool','installed',7,NULL);
INSERT INTO "results" VALUES(2,'bad','failed',3,'main_module failed with exit code 3');
CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        action TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT,
        status TEXT NOT NULL
    ) STRICT;
INSERT INTO "runs" VALUES(1,'20261128T010837842Z-26482','install',26482,'2026-11-28T01:08:37.843150725Z','2026-11-28T01:08:37.859363955Z','ok');
INSERT INTO "runs" VALUES(2,'20261128T010837868Z-26493','install',26493,'2026-11-28T01:08:37.868807581Z','2026-11-28T01:08:37.87360097Z','partial');
