PRAGMA foreign_keys = OFF;
PRAGMA user_version = 8;
CREATE TABLE changes (
        module TEXT PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES runs (id),
        phase TEXT NOT NULL CHECK (phase IN ('begun', 'done')),
        prior BLOB NOT NULL,
        displaced TEXT NOT NULL,
        files BLOB NOT NULL
    ) STRICT;
INSERT INTO "changes" VALUES('killed',11,'begun',X'02000000025B5D','[]',X'01016C@HEX@2F2E6B696C6C6564000000016C@HEX@2F2E6B696C6C6564000111686F69737420736E617073686F7420320A');
CREATE TABLE claims (
        path BLOB NOT NULL,
        module TEXT NOT NULL,
        PRIMARY KEY (path, module)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "claims" VALUES(X'@HEX@2F736974652F6170702F636C6173732D6D6F64756C65732F50697A7A61','app.Pizza');
INSERT INTO "claims" VALUES(X'@HEX@2F2E62617365','base');
INSERT INTO "claims" VALUES(X'@HEX@2F706C7567696E732F6D6F645F70757368','mod_push');
INSERT INTO "claims" VALUES(X'@HEX@2F706C7567696E732F6D6F645F707573682F6D6F645F707573682E6C7561','mod_push');
INSERT INTO "claims" VALUES(X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F70','shop');
INSERT INTO "claims" VALUES(X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F706C7567696E2E796D6C','shop');
INSERT INTO "claims" VALUES(X'@HEX@2F2E746F6F6C','tool');
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
CREATE TABLE documents (
        kind TEXT NOT NULL,
        owner TEXT NOT NULL,
        key TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (kind, owner, key)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "documents" VALUES('deployment','shop','','{"plugin":"shop","environment":"","kind":"script","standing":"deployed","release":{"number":1,"version":"1.0.0","digest":"e95230f3ee228311a1d4d2ece6adf2a8bab56e37bd33e80bda8c339964622142","at":"2026-11-28T02:39:33.477076901Z"},"former":[],"attempt":null}');
CREATE TABLE durations (
        module TEXT PRIMARY KEY,
        seconds REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "durations" VALUES('app.Pizza',0.051954457);
INSERT INTO "durations" VALUES('base',0.009337522);
INSERT INTO "durations" VALUES('mod_push',0.006037282);
INSERT INTO "durations" VALUES('tool',0.008798203);
INSERT INTO "durations" VALUES('undone',0.007510439);
CREATE TABLE edits (
        path BLOB NOT NULL,
        module TEXT NOT NULL,
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        replaced INTEGER NOT NULL,
        PRIMARY KEY (path, module)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "edits" VALUES(X'@HEX@2F736974652F6170702F696E69742E706870','app.Pizza','{"kind":"file","mode":420,"owner":[0,0],"digest":"a07f550d465efe945a5fe594d6712d1bac0bc9f13e5518ae7a696c500780b6aa","modified":[1795833573,294050974]}','{"kind":"file","mode":420,"owner":[0,0],"digest":"d576c18519c2ba07aba3a3170be1f42fca35cce6277bb245a5c3181ccfe27ed9","modified":[1795833573,360781287]}',0);
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
INSERT INTO "files" VALUES(X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F70','shop','directory',493,'');
INSERT INTO "files" VALUES(X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F636F6E666967','shop','directory',493,'');
INSERT INTO "files" VALUES(X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F636F6E6669672F64656661756C74732E79616D6C','shop','file',420,'7a4a65b2ddace6a2fd36d3335884647c2c8501b770b31e81ef23b1b73126b630');
INSERT INTO "files" VALUES(X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F706C7567696E2E796D6C','shop','file',420,'d2de2b2edcc7ec7a3a34dc0ec4e0a6c4961b2d0a1d27d5a20a9f2a8a1751ca2b');
INSERT INTO "files" VALUES(X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F73637269707473','shop','directory',493,'');
INSERT INTO "files" VALUES(X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F736372697074732F6465706C6F792E7368','shop','file',493,'8f1c0e75fc84e51d2b6beb027c3ad3f318b604a1fc8f4b913615f5b158cd3e54');
INSERT INTO "files" VALUES(X'@HEX@2F2E746F6F6C','tool','directory',493,'');
INSERT INTO "files" VALUES(X'@HEX@2F2E746F6F6C2F62696E','tool','directory',493,'');
INSERT INTO "files" VALUES(X'@HEX@2F2E746F6F6C2F62696E2F6C696E6B','tool','link',511,'acba25512100f80b56fc3ccd14c65be55d94800cda77585c5f41a887e398f9be');
INSERT INTO "files" VALUES(X'@HEX@2F2E746F6F6C2F62696E2F72756E','tool','file',420,'b5004f26a852b0d60ec1237432c1a33c2307ff2458c374d9d99749d045c7feb9');
INSERT INTO "files" VALUES(X'@HEX@2F706C7567696E732F6D6F645F70757368','mod_push','directory',493,'');
INSERT INTO "files" VALUES(X'@HEX@2F706C7567696E732F6D6F645F707573682F524541444D452E6D64','mod_push','file',420,'9f6aca0efccd486deea0add7bc711ea77fcd9bfc7b100d8adb4bfaaba92ab100');
INSERT INTO "files" VALUES(X'@HEX@2F706C7567696E732F6D6F645F707573682F6D6F645F707573682E6C7561','mod_push','file',420,'4d8da41736e15850e7897dad639c3ec98526059ec43715ba1c3b38ec674345d8');
INSERT INTO "files" VALUES(X'@HEX@2F736974652F6170702F636C6173732D6D6F64756C6573','app.Pizza','directory',493,'');
INSERT INTO "files" VALUES(X'@HEX@2F736974652F6170702F636C6173732D6D6F64756C65732F50697A7A61','app.Pizza','directory',493,'');
INSERT INTO "files" VALUES(X'@HEX@2F736974652F6170702F636C6173732D6D6F64756C65732F50697A7A612F50697A7A61496E7374616C6C65722E706870','app.Pizza','file',420,'c770225c25b77fbb88b04830ef988ab9b252fc811d83c83b7dea357962e23e74');
INSERT INTO "files" VALUES(X'@HEX@2F736974652F6170702F70697A7A612E706870','app.Pizza','file',420,'9ed1515819dec61fd361d5fdabb57f41ecce1a5fe1fe263b98c0d6943b9b232e');
CREATE TABLE journal (
        run INTEGER NOT NULL REFERENCES runs (id),
        module TEXT NOT NULL,
        path BLOB NOT NULL,
        before TEXT,
        after TEXT,
        PRIMARY KEY (run, module, path)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "journal" VALUES(1,'base',X'@HEX@2F2E62617365',NULL,'{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833571,543211295]}');
INSERT INTO "journal" VALUES(1,'base',X'@HEX@2F2E626173652F66696C65',NULL,'{"kind":"file","mode":420,"owner":[0,0],"digest":"2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806","modified":[1795833571,543211295]}');
INSERT INTO "journal" VALUES(1,'tool',X'@HEX@2F2E746F6F6C',NULL,'{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833571,547626191]}');
INSERT INTO "journal" VALUES(1,'tool',X'@HEX@2F2E746F6F6C2F62696E',NULL,'{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833571,551211295]}');
INSERT INTO "journal" VALUES(1,'tool',X'@HEX@2F2E746F6F6C2F62696E2F6C696E6B',NULL,'{"kind":"link","mode":511,"owner":[0,0],"digest":"acba25512100f80b56fc3ccd14c65be55d94800cda77585c5f41a887e398f9be","modified":[1795833571,551211295]}');
INSERT INTO "journal" VALUES(1,'tool',X'@HEX@2F2E746F6F6C2F62696E2F72756E',NULL,'{"kind":"file","mode":420,"owner":[0,0],"digest":"b5004f26a852b0d60ec1237432c1a33c2307ff2458c374d9d99749d045c7feb9","modified":[1795833571,547626191]}');
INSERT INTO "journal" VALUES(1,'tool',X'@HEX@2F2E746F6F6C7263',NULL,'{"kind":"file","mode":420,"owner":[0,0],"digest":"465d200b86dc1add300e7ca0c9f67e7ee883392969a896608935aa29956bc06f","modified":[1795833571,551211295]}');
INSERT INTO "journal" VALUES(3,'gone',X'@HEX@2F2E676F6E65',NULL,'{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833572,27211312]}');
INSERT INTO "journal" VALUES(3,'gone',X'@HEX@2F2E676F6E652F78',NULL,'{"kind":"file","mode":420,"owner":[0,0],"digest":"73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac","modified":[1795833572,27211312]}');
INSERT INTO "journal" VALUES(4,'gone',X'@HEX@2F2E676F6E65','{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833572,27211312]}',NULL);
INSERT INTO "journal" VALUES(4,'gone',X'@HEX@2F2E676F6E652F78','{"kind":"file","mode":420,"owner":[0,0],"digest":"73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac","modified":[1795833572,27211312]}',NULL);
INSERT INTO "journal" VALUES(6,'mod_push',X'@HEX@2F706C7567696E732F6D6F645F70757368',NULL,'{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833573,283730969]}');
INSERT INTO "journal" VALUES(6,'mod_push',X'@HEX@2F706C7567696E732F6D6F645F707573682F524541444D452E6D64',NULL,'{"kind":"file","mode":420,"owner":[0,0],"digest":"9f6aca0efccd486deea0add7bc711ea77fcd9bfc7b100d8adb4bfaaba92ab100","modified":[1795833573,283682155]}');
INSERT INTO "journal" VALUES(6,'mod_push',X'@HEX@2F706C7567696E732F6D6F645F707573682F6D6F645F707573682E6C7561',NULL,'{"kind":"file","mode":420,"owner":[0,0],"digest":"4d8da41736e15850e7897dad639c3ec98526059ec43715ba1c3b38ec674345d8","modified":[1795833573,283730969]}');
INSERT INTO "journal" VALUES(7,'app.Pizza',X'@HEX@2F736974652F6170702F636C6173732D6D6F64756C6573',NULL,'{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833573,318705871]}');
INSERT INTO "journal" VALUES(7,'app.Pizza',X'@HEX@2F736974652F6170702F636C6173732D6D6F64756C65732F50697A7A61',NULL,'{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833573,318705871]}');
INSERT INTO "journal" VALUES(7,'app.Pizza',X'@HEX@2F736974652F6170702F636C6173732D6D6F64756C65732F50697A7A612F50697A7A61496E7374616C6C65722E706870',NULL,'{"kind":"file","mode":420,"owner":[0,0],"digest":"c770225c25b77fbb88b04830ef988ab9b252fc811d83c83b7dea357962e23e74","modified":[1795833573,318705871]}');
INSERT INTO "journal" VALUES(7,'app.Pizza',X'@HEX@2F736974652F6170702F696E69742E706870','{"kind":"file","mode":420,"owner":[0,0],"digest":"a07f550d465efe945a5fe594d6712d1bac0bc9f13e5518ae7a696c500780b6aa","modified":[1795833573,294050974]}','{"kind":"file","mode":420,"owner":[0,0],"digest":"d576c18519c2ba07aba3a3170be1f42fca35cce6277bb245a5c3181ccfe27ed9","modified":[1795833573,360781287]}');
INSERT INTO "journal" VALUES(7,'app.Pizza',X'@HEX@2F736974652F6170702F70697A7A612E706870',NULL,'{"kind":"file","mode":420,"owner":[0,0],"digest":"9ed1515819dec61fd361d5fdabb57f41ecce1a5fe1fe263b98c0d6943b9b232e","modified":[1795833573,360746937]}');
INSERT INTO "journal" VALUES(8,'undone',X'@HEX@2F2E756E646F6E65',NULL,'{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833573,399280799]}');
INSERT INTO "journal" VALUES(8,'undone',X'@HEX@2F2E756E646F6E652F78',NULL,'{"kind":"file","mode":420,"owner":[0,0],"digest":"73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac","modified":[1795833573,399280799]}');
INSERT INTO "journal" VALUES(9,'undone',X'@HEX@2F2E756E646F6E65','{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833573,399280799]}',NULL);
INSERT INTO "journal" VALUES(9,'undone',X'@HEX@2F2E756E646F6E652F78','{"kind":"file","mode":420,"owner":[0,0],"digest":"73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac","modified":[1795833573,399280799]}',NULL);
INSERT INTO "journal" VALUES(10,'shop',X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F70',NULL,'{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833573,470248922]}');
INSERT INTO "journal" VALUES(10,'shop',X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F636F6E666967',NULL,'{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833573,470171556]}');
INSERT INTO "journal" VALUES(10,'shop',X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F636F6E6669672F64656661756C74732E79616D6C',NULL,'{"kind":"file","mode":420,"owner":[0,0],"digest":"7a4a65b2ddace6a2fd36d3335884647c2c8501b770b31e81ef23b1b73126b630","modified":[1795833573,470171556]}');
INSERT INTO "journal" VALUES(10,'shop',X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F706C7567696E2E796D6C',NULL,'{"kind":"file","mode":420,"owner":[0,0],"digest":"d2de2b2edcc7ec7a3a34dc0ec4e0a6c4961b2d0a1d27d5a20a9f2a8a1751ca2b","modified":[1795833573,470218591]}');
INSERT INTO "journal" VALUES(10,'shop',X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F73637269707473',NULL,'{"kind":"directory","mode":493,"owner":[0,0],"digest":"","modified":[1795833573,470248922]}');
INSERT INTO "journal" VALUES(10,'shop',X'@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F736372697074732F6465706C6F792E7368',NULL,'{"kind":"file","mode":493,"owner":[0,0],"digest":"8f1c0e75fc84e51d2b6beb027c3ad3f318b604a1fc8f4b913615f5b158cd3e54","modified":[1795833573,470248922]}');
CREATE TABLE mementos (
        run INTEGER NOT NULL REFERENCES runs (id),
        module TEXT NOT NULL,
        place INTEGER NOT NULL,
        was BLOB NOT NULL,
        PRIMARY KEY (run, module)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "mementos" VALUES(1,'base',0,X'0200026A@HEX@2F2E62617365006F@HEX@2F2E626173652F66696C650000025B5D');
INSERT INTO "mementos" VALUES(1,'tool',1,X'0200046A@HEX@2F2E746F6F6C006E@HEX@2F2E746F6F6C2F62696E0073@HEX@2F2E746F6F6C2F62696E2F6C696E6B0072@HEX@2F2E746F6F6C2F62696E2F72756E0000025B5D');
INSERT INTO "mementos" VALUES(3,'gone',0,X'0200026A@HEX@2F2E676F6E65006C@HEX@2F2E676F6E652F780000025B5D');
INSERT INTO "mementos" VALUES(4,'gone',0,X'020109696E7374616C6C656406637573746F6D40663631346431373161333463323636376564653839396330613638636164333437313166353963336538623263626165376635356162346232643338396364360A636F6C6C656374696F6E061E323032362D31312D32385430323A33393A33322E3032353531373739375A011E323032362D31312D32385430323A33393A33322E3033323036373030315A006E5B22@HEX@2F2E676F6E65225D00025B5DFE027B227061746873223A5B22@HEX@2F2E676F6E65225D2C227265736F7572636573223A5B5D2C2266756E6374696F6E223A6E756C6C2C22726F6F74223A22@HEX@2F636F6C6C656374696F6E222C22696E746F223A6E756C6C2C2274726565223A6E756C6C2C2266726F6D223A6E756C6C2C22706F6C696379223A7B2273797374656D223A227368656C6C222C226465736372696265645F6279223A226D616E6966657374222C2269735F76616C696461746564223A747275657D7D025B5D01026A@HEX@2F2E676F6E650101ED03006C@HEX@2F2E676F6E652F780100A403403733636233383538613638376138343934636133333233303533303136323832663364616433396434326366363263613465373964646132616163376439616300025B5D');
INSERT INTO "mementos" VALUES(5,'tool',0,X'020109696E7374616C6C656406637573746F6D40373635623466313237336563333332616561333337653363363264376238643262373162343438633339643030396563356633626663323864616139636261360A636F6C6C656374696F6E021E323032362D31312D32385430323A33393A33312E3534373736373136385A011E323032362D31312D32385430323A33393A33312E3535353330363837345A006E5B22@HEX@2F2E746F6F6C225D00085B2262617365225DFE027B227061746873223A5B22@HEX@2F2E746F6F6C225D2C227265736F7572636573223A5B5D2C2266756E6374696F6E223A6E756C6C2C22726F6F74223A22@HEX@2F636F6C6C656374696F6E222C22696E746F223A6E756C6C2C2274726565223A6E756C6C2C2266726F6D223A6E756C6C2C22706F6C696379223A7B2273797374656D223A227368656C6C222C226465736372696265645F6279223A226D616E6966657374222C2269735F76616C696461746564223A747275657D7D025B5D01049201@HEX@2F2E686F6973742D61736964652D3230323631313238543032333933323130325A2D33313134352D746F6F6C2D30009601@HEX@2F2E686F6973742D61736964652D3230323631313238543032333933323130325A2D33313134352D746F6F6C2D302F62696E009B01@HEX@2F2E686F6973742D61736964652D3230323631313238543032333933323130325A2D33313134352D746F6F6C2D302F62696E2F6C696E6B009A01@HEX@2F2E686F6973742D61736964652D3230323631313238543032333933323130325A2D33313134352D746F6F6C2D302F62696E2F72756E00016C@HEX@2F2E746F6F6C726304746F6F6C40343635643230306238366463316164643330306537636130633966363765376565383833333932393639613839363630383933356161323939353662633036660108736574206F6E650AA403010000025B5D');
INSERT INTO "mementos" VALUES(6,'mod_push',0,X'02000375@HEX@2F706C7567696E732F6D6F645F70757368007F@HEX@2F706C7567696E732F6D6F645F707573682F524541444D452E6D64008201@HEX@2F706C7567696E732F6D6F645F707573682F6D6F645F707573682E6C75610000025B5D');
INSERT INTO "mementos" VALUES(7,'app.Pizza',0,X'0200047B@HEX@2F736974652F6170702F636C6173732D6D6F64756C6573008101@HEX@2F736974652F6170702F636C6173732D6D6F64756C65732F50697A7A61009401@HEX@2F736974652F6170702F636C6173732D6D6F64756C65732F50697A7A612F50697A7A61496E7374616C6C65722E7068700077@HEX@2F736974652F6170702F70697A7A612E7068700000025B5D');
INSERT INTO "mementos" VALUES(8,'undone',0,X'0200026C@HEX@2F2E756E646F6E65006E@HEX@2F2E756E646F6E652F780000025B5D');
INSERT INTO "mementos" VALUES(9,'undone',0,X'020109696E7374616C6C656406637573746F6D40333533356531653464643536333535313762663933383063663831633663613965636162653462356436646335386263666233333966383839333164373533320A636F6C6C656374696F6E101C323032362D31312D32385430323A33393A33332E333939343739395A011E323032362D31312D32385430323A33393A33332E3430353138373439385A00705B22@HEX@2F2E756E646F6E65225D00025B5D80037B227061746873223A5B22@HEX@2F2E756E646F6E65225D2C227265736F7572636573223A5B5D2C2266756E6374696F6E223A6E756C6C2C22726F6F74223A22@HEX@2F636F6C6C656374696F6E222C22696E746F223A6E756C6C2C2274726565223A6E756C6C2C2266726F6D223A6E756C6C2C22706F6C696379223A7B2273797374656D223A227368656C6C222C226465736372696265645F6279223A226D616E6966657374222C2269735F76616C696461746564223A747275657D7D025B5D01026C@HEX@2F2E756E646F6E650101ED03006E@HEX@2F2E756E646F6E652F780100A403403733636233383538613638376138343934636133333233303533303136323832663364616433396434326366363263613465373964646132616163376439616300025B5D');
INSERT INTO "mementos" VALUES(10,'shop',0,X'0200068401@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F70008B01@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F636F6E666967009901@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F636F6E6669672F64656661756C74732E79616D6C008F01@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F706C7567696E2E796D6C008C01@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F73637269707473009601@HEX@2F2E6C6F63616C2F73686172652F686F6973742F706C7567696E732F73686F702F736372697074732F6465706C6F792E73680000025B5D');
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
        asked INTEGER NOT NULL DEFAULT 1) STRICT;
INSERT INTO "modules" VALUES('base','installed','custom','24f9d0fcbc6c75415b10fd3aebeb0ea7b79b3888a4fd2f49c870331bd6dc3a25','collection',1,'2026-11-28T02:39:31.538911667Z','2026-11-28T02:39:31.546395603Z',NULL,'["@HOME@/.base"]','[]','[]',0,'[]','{"paths":["@HOME@/.base"],"resources":[],"function":null,"root":"@HOME@/collection","into":null,"tree":null,"from":null,"policy":{"system":"shell","described_by":"manifest","is_validated":true}}','[]',1);
INSERT INTO "modules" VALUES('tool','installed','custom','765b4f1273ec332aea337e3c62d7b8d2b71b448c39d009ec5f3bfc28daa9cba6','collection',5,'2026-11-28T02:39:32.109358127Z','2026-11-28T02:39:32.119876923Z',NULL,'["@HOME@/.tool"]','[]','[]',0,'["base"]','{"paths":["@HOME@/.tool"],"resources":[],"function":null,"root":"@HOME@/collection","into":null,"tree":null,"from":null,"policy":{"system":"shell","described_by":"manifest","is_validated":true}}','[]',1);
INSERT INTO "modules" VALUES('bad','failed','custom','3d9b3839214f339a9752d1b393d77be31bef6d83549dd33d3ab162ae6f2fd256','collection',2,'2026-11-28T02:39:31.992690719Z',NULL,NULL,'[]','[]','[]',0,'[]','{"paths":[],"resources":[],"function":null,"root":"@HOME@/collection","into":null,"tree":null,"from":null,"policy":{"system":"shell","described_by":"manifest","is_validated":true}}','[]',1);
INSERT INTO "modules" VALUES('mod_push','installed','copy','08ea564a499ac1746fcf793b4d5c123da201bd4dbc3d2472225ac568fa28c007','community',6,'2026-11-28T02:39:33.282801666Z','2026-11-28T02:39:33.286917266Z','6d67a856c682','["@HOME@/plugins/mod_push","@HOME@/plugins/mod_push/mod_push.lua"]','[]','[]',0,'[]','{"paths":[],"resources":[],"function":null,"root":null,"into":"@HOME@/plugins","tree":null,"from":null,"policy":{"system":"prosody","described_by":"index","is_selected_by_name":true,"ignores_case":true,"keeps_source":true,"has_versions":true,"goes_when_unneeded":true,"is_recorded_whole":true},"aliases":["push"]}','[]',1);
INSERT INTO "modules" VALUES('app.Pizza','installed','directory','5261bd5baef1344ae8aed6754469cd69f7071a9b70d9a24c741973347419e909','app',7,'2026-11-28T02:39:33.317979611Z','2026-11-28T02:39:33.365475784Z','5261bd5baef1','["@HOME@/site/app/class-modules/Pizza"]','[]','[]',0,'[]','{"paths":[],"resources":[],"function":null,"root":null,"into":"@HOME@/site","tree":{"noun":"application","root":"@HOME@/site/app","watch":["@HOME@/site"],"ignore":["@HOME@/site/app/log","@HOME@/site/app/logs"],"directory":"@HOME@/site/app/class-modules/Pizza"},"steps":[{"method":"installer","args":{"name":"Pizza","application":{"root":"@HOME@/site/app","modules":"@HOME@/site/app/class-modules","init":"@HOME@/site/app/init.php","watch":["@HOME@/site"],"ignore":["@HOME@/site/app/log","@HOME@/site/app/logs"]},"action":"uninstall"}}],"settings":{"root":"@HOME@/site/app","modules":"@HOME@/site/app/class-modules","init":"@HOME@/site/app/init.php","watch":["@HOME@/site"],"ignore":["@HOME@/site/app/log","@HOME@/site/app/logs"]},"from":"@HOME@/mods/Pizza","policy":{"system":"application","described_by":"index","is_selected_by_name":true,"ignores_case":true,"keeps_source":true,"has_versions":true,"goes_when_unneeded":true,"is_recorded_whole":true,"is_validated":true},"short_name":"Pizza","aliases":["Pizza"]}','[]',1);
INSERT INTO "modules" VALUES('shop','installed','plugin','74fdd947c8be72e4b7fdb60b4d4513b7bc447582ac8cf6dd808a50015ab43d5f','collection',10,'2026-11-28T02:39:33.469485077Z','2026-11-28T02:39:33.471029456Z','1.0.0','["@HOME@/.local/share/hoist/plugins/shop","@HOME@/.local/share/hoist/plugins/shop/plugin.yml"]','[]','[]',0,'[]','{"paths":[],"resources":[],"function":null,"root":null,"into":"@HOME@/.local/share/hoist/plugins","tree":null,"from":null,"policy":{"system":"plugin","described_by":"manifest","is_selected_by_name":true,"ignores_case":true,"keeps_source":true,"has_versions":true,"goes_when_unneeded":true,"is_recorded_whole":true,"is_all_or_nothing":true,"is_validated":true}}','[]',1);
INSERT INTO "modules" VALUES('killed','begun','custom','1a08cc21f79e9716d4a7f54896feb8bbf5a3e431bca9f20dedec92e76204abb4','collection',11,'2026-11-28T02:39:33.507386507Z',NULL,NULL,'[]','["@HOME@/.killed"]','["@HOME@/.killed"]',0,'[]','{"paths":["@HOME@/.killed"],"resources":[],"function":null,"root":"@HOME@/collection","into":null,"tree":null,"from":null,"policy":{"system":"shell","described_by":"manifest","is_validated":true}}','[]',1);
CREATE TABLE resources (
        manager TEXT NOT NULL,
        directory TEXT NOT NULL,
        runtime TEXT NOT NULL,
        name TEXT NOT NULL,
        module TEXT NOT NULL,
        PRIMARY KEY (manager, directory, runtime, name, module)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE results (
        run INTEGER NOT NULL REFERENCES runs (id),
        module TEXT NOT NULL,
        status TEXT NOT NULL,
        duration_ms INTEGER NOT NULL,
        reason TEXT,
        PRIMARY KEY (run, module)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "results" VALUES(1,'base','installed',9,NULL);
INSERT INTO "results" VALUES(1,'tool','installed',8,NULL);
INSERT INTO "results" VALUES(2,'bad','failed',5,'main_module failed with exit code 3');
INSERT INTO "results" VALUES(3,'gone','installed',11,NULL);
INSERT INTO "results" VALUES(4,'gone','removed',9,NULL);
INSERT INTO "results" VALUES(5,'tool','unchanged',16,NULL);
INSERT INTO "results" VALUES(6,'mod_push','installed',6,NULL);
INSERT INTO "results" VALUES(7,'app.Pizza','installed',51,NULL);
INSERT INTO "results" VALUES(8,'undone','installed',7,NULL);
INSERT INTO "results" VALUES(9,'undone','removed',2,NULL);
INSERT INTO "results" VALUES(10,'shop','deployed',9,NULL);
INSERT INTO "results" VALUES(11,'killed','planned',0,NULL);
CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        action TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT,
        status TEXT NOT NULL
    , request TEXT, scratch TEXT, undone TEXT) STRICT;
INSERT INTO "runs" VALUES(1,'20261128T023931535Z-31108','install',31108,'2026-11-28T02:39:31.535731934Z','2026-11-28T02:39:31.964281248Z','ok','{"action":"install","selection":"Tiers","with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"enable":false,"source":null,"hosts":false}','/tmp/hoist-ledger/tmp/hoist-run-20261128T023931535Z-31108',NULL);
INSERT INTO "runs" VALUES(2,'20261128T023931988Z-31121','install',31121,'2026-11-28T02:39:31.989174778Z','2026-11-28T02:39:31.997844147Z','partial','{"action":"install","selection":{"Names":["bad"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"enable":false,"source":null,"hosts":false}','/tmp/hoist-ledger/tmp/hoist-run-20261128T023931988Z-31121',NULL);
INSERT INTO "runs" VALUES(3,'20261128T023932017Z-31129','install',31129,'2026-11-28T02:39:32.018317261Z','2026-11-28T02:39:32.035651233Z','ok','{"action":"install","selection":{"Names":["gone"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"enable":false,"source":null,"hosts":false}','/tmp/hoist-ledger/tmp/hoist-run-20261128T023932017Z-31129',NULL);
INSERT INTO "runs" VALUES(4,'20261128T023932062Z-31138','uninstall',31138,'2026-11-28T02:39:32.062229428Z','2026-11-28T02:39:32.075911646Z','ok','{"action":"uninstall","selection":{"Names":["gone"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"enable":false,"source":null,"hosts":false}','/tmp/hoist-ledger/tmp/hoist-run-20261128T023932062Z-31138',NULL);
INSERT INTO "runs" VALUES(5,'20261128T023932102Z-31145','update',31145,'2026-11-28T02:39:32.102583488Z','2026-11-28T02:39:32.124300087Z','ok','{"action":"update","selection":"Tiers","with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"enable":false,"source":null,"hosts":false}','/tmp/hoist-ledger/tmp/hoist-run-20261128T023932102Z-31145',NULL);
INSERT INTO "runs" VALUES(6,'20261128T023933278Z-31168','install',31168,'2026-11-28T02:39:33.279160514Z','2026-11-28T02:39:33.289461353Z','ok','{"action":"install","selection":{"Names":["mod_push"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"enable":false,"source":null,"hosts":false}','/tmp/hoist-ledger/tmp/hoist-run-20261128T023933278Z-31168',NULL);
INSERT INTO "runs" VALUES(7,'20261128T023933312Z-31175','install',31175,'2026-11-28T02:39:33.312789062Z','2026-11-28T02:39:33.369428797Z','ok','{"action":"install","selection":{"Names":["@HOME@/mods/Pizza"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"enable":false,"source":"app","hosts":false}','/tmp/hoist-ledger/tmp/hoist-run-20261128T023933312Z-31175',NULL);
INSERT INTO "runs" VALUES(8,'20261128T023933395Z-31184','install',31184,'2026-11-28T02:39:33.39610163Z','2026-11-28T02:39:33.407515929Z','ok','{"action":"install","selection":{"Names":["undone"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"enable":false,"source":null,"hosts":false}','/tmp/hoist-ledger/tmp/hoist-run-20261128T023933395Z-31184','20261128T023933428Z-31193');
INSERT INTO "runs" VALUES(9,'20261128T023933428Z-31193','undo',31193,'2026-11-28T02:39:33.428797283Z','2026-11-28T02:39:33.437618245Z','ok','{"action":"undo","selection":{"Names":["20261128T023933395Z-31184"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"enable":false,"source":null,"hosts":false}','/tmp/hoist-ledger/tmp/hoist-run-20261128T023933428Z-31193',NULL);
INSERT INTO "runs" VALUES(10,'20261128T023933465Z-31198','deploy',31198,'2026-11-28T02:39:33.466153533Z','2026-11-28T02:39:33.479302149Z','ok','{"action":"deploy","selection":{"Names":["shop"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"enable":false,"source":null,"hosts":false}','/tmp/hoist-ledger/tmp/hoist-run-20261128T023933465Z-31198',NULL);
INSERT INTO "runs" VALUES(11,'20261128T023933503Z-31206','install',31206,'2026-11-28T02:39:33.504132187Z',NULL,'running','{"action":"install","selection":{"Names":["killed"]},"with":[],"skip":[],"force":false,"cascade":false,"purge":false,"sandbox":false,"no_deps":false,"migrate":false,"enable":false,"source":null,"hosts":false}','/tmp/hoist-ledger/tmp/hoist-run-20261128T023933503Z-31206',NULL);
CREATE INDEX files_of_module ON files (module);
CREATE INDEX claims_of_module ON claims (module);
CREATE INDEX configs_of_module ON configs (module);
CREATE INDEX edits_of_module ON edits (module);
CREATE INDEX mementos_in_order ON mementos (run, place);
CREATE INDEX results_of_module ON results (module, run);
CREATE INDEX resources_of_module ON resources (module);
CREATE TRIGGER claims_after_insert AFTER INSERT ON modules BEGIN
        UPDATE modules SET paths = paths WHERE name = new.name;
    END;
CREATE TRIGGER claims_after_update AFTER UPDATE OF paths, removal, adopted ON modules BEGIN
        DELETE FROM claims WHERE module = new.name;
        INSERT OR IGNORE INTO claims SELECT CAST(value AS BLOB), new.name FROM json_each(new.paths);
        INSERT OR IGNORE INTO claims SELECT CAST(value AS BLOB), new.name FROM json_each(new.removal, '$.paths') WHERE new.adopted;
        DELETE FROM resources WHERE module = new.name;
        INSERT OR IGNORE INTO resources
            SELECT value ->> 'manager', value ->> 'directory', coalesce(value ->> 'runtime', ''), value ->> 'name', new.name
            FROM json_each(new.removal, '$.resources');
    END;
CREATE TRIGGER claims_after_delete AFTER DELETE ON modules BEGIN
        DELETE FROM claims WHERE module = old.name;
        DELETE FROM resources WHERE module = old.name;
    END;
