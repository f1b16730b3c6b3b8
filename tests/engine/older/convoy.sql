PRAGMA application_id = 1129270870;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE attempts (
    convoy_id TEXT NOT NULL,
    task_index INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    task_id TEXT,
    kind TEXT,
    agent TEXT,
    adapter TEXT,
    model TEXT,
    base TEXT,
    worktree TEXT,
    pid INTEGER,
    assigned_at TEXT,
    started_at TEXT,
    ended_at TEXT,
    outcome TEXT,
    failure_type TEXT,
    exit_code INTEGER,
    session_id TEXT,
    duration_ms INTEGER,
    input_tokens INTEGER,
    cached_input_tokens INTEGER,
    cache_write_tokens INTEGER,
    output_tokens INTEGER,
    cost_usd REAL,
    work_commit TEXT,
    kept_ref TEXT,
    landed_commit TEXT,
    PRIMARY KEY (convoy_id, task_index, attempt)
) STRICT, WITHOUT ROWID;
INSERT INTO "attempts" VALUES('convoy-01m82s38k6891yds7mpywnm189',0,1,'landed','first','developer','scripted',NULL,'c806bcd087a97a397d33ce87c1e8552b0df23d9a','REPOSITORY/.convoy/worktrees/convoy-01m82s38k6891yds7mpywnm189/0-landed',22499,'2026-11-22T23:22:40.158Z','2026-11-22T23:22:40.172Z','2026-11-22T23:22:40.176Z','succeeded',NULL,0,'session-22499',3,NULL,NULL,NULL,NULL,NULL,'c7914708897d5b43ce764e9762d6e280ce1d6da8','refs/convoy/convoy-01m82s38k6891yds7mpywnm189/0-landed/attempt-1','5055cc5baae24eac199a721811b0cbcf8d409b39');
INSERT INTO "attempts" VALUES('convoy-01m82s38k6891yds7mpywnm189',1,1,'retried','first','developer','scripted',NULL,'5055cc5baae24eac199a721811b0cbcf8d409b39','REPOSITORY/.convoy/worktrees/convoy-01m82s38k6891yds7mpywnm189/1-retried',22572,'2026-11-22T23:22:40.372Z','2026-11-22T23:22:40.434Z','2026-11-22T23:22:40.434Z','failed','error',1,'session-22572',2,NULL,NULL,NULL,NULL,NULL,'5055cc5baae24eac199a721811b0cbcf8d409b39','refs/convoy/convoy-01m82s38k6891yds7mpywnm189/1-retried/attempt-1',NULL);
INSERT INTO "attempts" VALUES('convoy-01m82s38k6891yds7mpywnm189',1,2,'retried','retry','developer','scripted',NULL,'5055cc5baae24eac199a721811b0cbcf8d409b39','REPOSITORY/.convoy/worktrees/convoy-01m82s38k6891yds7mpywnm189/1-retried',22622,'2026-11-22T23:22:40.585Z','2026-11-22T23:22:40.604Z','2026-11-22T23:22:40.607Z','succeeded',NULL,0,'session-22572',2,NULL,NULL,NULL,NULL,NULL,'133ab931c7443cf4c4ff682567086918be8e4216','refs/convoy/convoy-01m82s38k6891yds7mpywnm189/1-retried/attempt-2','feca360e7c007e8fa1aec499617197b2f2013099');
INSERT INTO "attempts" VALUES('convoy-01m82s38k6891yds7mpywnm189',2,1,'lost','first','developer','scripted',NULL,'feca360e7c007e8fa1aec499617197b2f2013099','REPOSITORY/.convoy/worktrees/convoy-01m82s38k6891yds7mpywnm189/2-lost',22663,'2026-11-22T23:22:40.754Z','2026-11-22T23:22:40.804Z','2026-11-22T23:22:40.818Z','failed','error',3,'session-22663',14,NULL,NULL,NULL,NULL,NULL,'feca360e7c007e8fa1aec499617197b2f2013099','refs/convoy/convoy-01m82s38k6891yds7mpywnm189/2-lost/attempt-1',NULL);
INSERT INTO "attempts" VALUES('convoy-01m82s38k6891yds7mpywnm189',4,1,'cut','first','developer','scripted',NULL,'feca360e7c007e8fa1aec499617197b2f2013099','REPOSITORY/.convoy/worktrees/convoy-01m82s38k6891yds7mpywnm189/4-cut',22727,'2026-11-22T23:22:41.046Z','2026-11-22T23:22:41.162Z','2026-11-22T23:23:01.845Z','failed','error',NULL,NULL,20728,NULL,NULL,NULL,NULL,NULL,'e3785d80eb2894901f1d9c7b8363a071b64cf2ad','refs/convoy/convoy-01m82s38k6891yds7mpywnm189/4-cut/attempt-1',NULL);
INSERT INTO "attempts" VALUES('convoy-01m82s38k6891yds7mpywnm189',4,2,'cut','retry','developer','scripted',NULL,'feca360e7c007e8fa1aec499617197b2f2013099','REPOSITORY/.convoy/worktrees/convoy-01m82s38k6891yds7mpywnm189/4-cut',25966,'2026-11-22T23:23:01.938Z','2026-11-22T23:23:02.008Z',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE convoys (
    convoy_id TEXT PRIMARY KEY NOT NULL,
    name TEXT,
    status TEXT,
    branch TEXT,
    base TEXT,
    integration_ref TEXT,
    adapter TEXT,
    tasks INTEGER,
    engine_version TEXT,
    created_at TEXT,
    started_at TEXT,
    finished_at TEXT,
    tip TEXT,
    published_tip TEXT,
    publish_state TEXT,
    publish_reason TEXT,
    publish_paths TEXT,
    first_event INTEGER
) STRICT;
INSERT INTO "convoys" VALUES('convoy-01m82s38k6891yds7mpywnm189','begun by an older version','running','refs/heads/main','c806bcd087a97a397d33ce87c1e8552b0df23d9a','refs/convoy/convoy-01m82s38k6891yds7mpywnm189/integration','scripted',6,'0.1.0','2026-11-22T23:22:40.102Z','2026-11-22T23:22:40.102Z',NULL,'feca360e7c007e8fa1aec499617197b2f2013099','feca360e7c007e8fa1aec499617197b2f2013099','published',NULL,NULL,1);
CREATE TABLE dead_letters (
    dlq_id TEXT PRIMARY KEY NOT NULL,
    convoy_id TEXT,
    task_index INTEGER,
    task_id TEXT,
    agent TEXT,
    failure_type TEXT,
    attempts INTEGER,
    error TEXT,
    created_at TEXT,
    resolved_at TEXT,
    resolved_by TEXT,
    resolution TEXT
) STRICT;
INSERT INTO "dead_letters" VALUES('dlq-01m82s38k6891yds7mpywnm189.2.1','convoy-01m82s38k6891yds7mpywnm189',2,'lost','developer','error',1,'scripted reported an error: I cannot','2026-11-22T23:22:41.046Z',NULL,NULL,NULL);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    convoy_id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    type TEXT NOT NULL,
    task_id TEXT,
    data TEXT NOT NULL
) STRICT;
INSERT INTO "events" VALUES(1,'convoy-01m82s38k6891yds7mpywnm189',1795389760102,'convoy_started',NULL,'{"name":"begun by an older version","spec_digest":"ff7ea17740678c3b6a471ec769ea3676abcbed30b5dccbbc89078f1320292820","options":{},"adapter":"scripted","branch":"refs/heads/main","base":"c806bcd087a97a397d33ce87c1e8552b0df23d9a","integration_ref":"refs/convoy/convoy-01m82s38k6891yds7mpywnm189/integration","inactive":["guard","defaults.review","defaults.inject_lessons","built_in_gates.secret_scan","built_in_gates.partition","built_in_gates.no_op"],"tasks":6,"engine_version":"0.1.0","event_format":1}');
INSERT INTO "events" VALUES(2,'convoy-01m82s38k6891yds7mpywnm189',1795389760158,'task_assigned','landed','{"kind":"first","agent":"developer","base":"c806bcd087a97a397d33ce87c1e8552b0df23d9a","task_index":0,"attempt_no":1}');
INSERT INTO "events" VALUES(3,'convoy-01m82s38k6891yds7mpywnm189',1795389760172,'task_started','landed','{"adapter":"scripted","worktree":"REPOSITORY/.convoy/worktrees/convoy-01m82s38k6891yds7mpywnm189/0-landed","prompt_bytes":100,"session":"fresh","task_index":0,"attempt_no":1}');
INSERT INTO "events" VALUES(4,'convoy-01m82s38k6891yds7mpywnm189',1795389760172,'worker_spawned','landed','{"pid":22499,"start_time":2788630,"task_index":0,"attempt_no":1}');
INSERT INTO "events" VALUES(5,'convoy-01m82s38k6891yds7mpywnm189',1795389760176,'task_agent_ended','landed','{"result":{"outcome":"succeeded"},"exit_code":0,"session":"session-22499","usage":{},"duration_ms":3,"summary":"","task_index":0,"attempt_no":1}');
INSERT INTO "events" VALUES(6,'convoy-01m82s38k6891yds7mpywnm189',1795389760294,'task_snapshot','landed','{"work":{"commit":"c7914708897d5b43ce764e9762d6e280ce1d6da8","tree":"8ada446b8a3105a8dd6af0ed8852ccdcffaab437","base":"c806bcd087a97a397d33ce87c1e8552b0df23d9a","changed":true,"kept_ref":"refs/convoy/convoy-01m82s38k6891yds7mpywnm189/0-landed/attempt-1"},"rebased":false,"task_index":0,"attempt_no":1}');
INSERT INTO "events" VALUES(7,'convoy-01m82s38k6891yds7mpywnm189',1795389760320,'gate_result','landed','{"gate":"test -f landed.txt","passed":true,"exit_code":0,"duration_ms":1,"output":"","task_index":0,"attempt_no":1}');
INSERT INTO "events" VALUES(8,'convoy-01m82s38k6891yds7mpywnm189',1795389760321,'merge_queued','landed','{"commit":"c7914708897d5b43ce764e9762d6e280ce1d6da8","task_index":0,"attempt_no":1}');
INSERT INTO "events" VALUES(9,'convoy-01m82s38k6891yds7mpywnm189',1795389760344,'merge_prepared','landed','{"commit":"5055cc5baae24eac199a721811b0cbcf8d409b39","onto":"c806bcd087a97a397d33ce87c1e8552b0df23d9a","task_index":0,"attempt_no":1}');
INSERT INTO "events" VALUES(10,'convoy-01m82s38k6891yds7mpywnm189',1795389760372,'merge_done','landed','{"commit":"5055cc5baae24eac199a721811b0cbcf8d409b39","task_index":0,"attempt_no":1}');
INSERT INTO "events" VALUES(11,'convoy-01m82s38k6891yds7mpywnm189',1795389760372,'task_done','landed','{"commit":"5055cc5baae24eac199a721811b0cbcf8d409b39","no_changes":false,"exit_code":0,"retries":0,"task_index":0,"attempt_no":1}');
INSERT INTO "events" VALUES(12,'convoy-01m82s38k6891yds7mpywnm189',1795389760372,'task_assigned','retried','{"kind":"first","agent":"developer","base":"5055cc5baae24eac199a721811b0cbcf8d409b39","task_index":1,"attempt_no":1}');
INSERT INTO "events" VALUES(13,'convoy-01m82s38k6891yds7mpywnm189',1795389760419,'branch_publish_started',NULL,'{"from":"c806bcd087a97a397d33ce87c1e8552b0df23d9a","to":"5055cc5baae24eac199a721811b0cbcf8d409b39","tip":"5055cc5baae24eac199a721811b0cbcf8d409b39","checkout":"REPOSITORY","lock":"REPOSITORY/.git/index.lock"}');
INSERT INTO "events" VALUES(14,'convoy-01m82s38k6891yds7mpywnm189',1795389760434,'task_started','retried','{"adapter":"scripted","worktree":"REPOSITORY/.convoy/worktrees/convoy-01m82s38k6891yds7mpywnm189/1-retried","prompt_bytes":101,"session":"fresh","task_index":1,"attempt_no":1}');
INSERT INTO "events" VALUES(15,'convoy-01m82s38k6891yds7mpywnm189',1795389760434,'worker_spawned','retried','{"pid":22572,"start_time":2788655,"task_index":1,"attempt_no":1}');
INSERT INTO "events" VALUES(16,'convoy-01m82s38k6891yds7mpywnm189',1795389760434,'task_agent_ended','retried','{"result":{"outcome":"failed","failure":{"failure_type":"error","message":"scripted reported an error","exit_code":1,"output_tail":"failing on purpose, 1 of 1\n"}},"exit_code":1,"session":"session-22572","usage":{},"duration_ms":2,"summary":"","task_index":1,"attempt_no":1}');
INSERT INTO "events" VALUES(17,'convoy-01m82s38k6891yds7mpywnm189',1795389760544,'branch_published',NULL,'{"branch":"refs/heads/main","commit":"5055cc5baae24eac199a721811b0cbcf8d409b39","tip":"5055cc5baae24eac199a721811b0cbcf8d409b39"}');
INSERT INTO "events" VALUES(18,'convoy-01m82s38k6891yds7mpywnm189',1795389760579,'task_snapshot','retried','{"work":{"commit":"5055cc5baae24eac199a721811b0cbcf8d409b39","tree":"8ada446b8a3105a8dd6af0ed8852ccdcffaab437","base":"5055cc5baae24eac199a721811b0cbcf8d409b39","changed":false,"kept_ref":"refs/convoy/convoy-01m82s38k6891yds7mpywnm189/1-retried/attempt-1"},"rebased":false,"task_index":1,"attempt_no":1}');
INSERT INTO "events" VALUES(19,'convoy-01m82s38k6891yds7mpywnm189',1795389760579,'task_retried','retried','{"previous_status":"failed","failure":{"failure_type":"error","message":"scripted reported an error","exit_code":1,"output_tail":"failing on purpose, 1 of 1\n"},"not_before":"2026-11-22T23:22:40.584Z","retries":1,"task_index":1,"attempt_no":1}');
INSERT INTO "events" VALUES(20,'convoy-01m82s38k6891yds7mpywnm189',1795389760585,'task_assigned','retried','{"kind":"retry","agent":"developer","base":"5055cc5baae24eac199a721811b0cbcf8d409b39","task_index":1,"attempt_no":2}');
INSERT INTO "events" VALUES(21,'convoy-01m82s38k6891yds7mpywnm189',1795389760604,'task_started','retried','{"adapter":"scripted","worktree":"REPOSITORY/.convoy/worktrees/convoy-01m82s38k6891yds7mpywnm189/1-retried","prompt_bytes":469,"session":"continued","task_index":1,"attempt_no":2}');
INSERT INTO "events" VALUES(22,'convoy-01m82s38k6891yds7mpywnm189',1795389760604,'worker_spawned','retried','{"pid":22622,"start_time":2788673,"task_index":1,"attempt_no":2}');
INSERT INTO "events" VALUES(23,'convoy-01m82s38k6891yds7mpywnm189',1795389760607,'task_agent_ended','retried','{"result":{"outcome":"succeeded"},"exit_code":0,"session":"session-22572","usage":{},"duration_ms":2,"summary":"","task_index":1,"attempt_no":2}');
INSERT INTO "events" VALUES(24,'convoy-01m82s38k6891yds7mpywnm189',1795389760664,'task_snapshot','retried','{"work":{"commit":"133ab931c7443cf4c4ff682567086918be8e4216","tree":"5009d7783620e74b265af6660489b62f8cc3d466","base":"5055cc5baae24eac199a721811b0cbcf8d409b39","changed":true,"kept_ref":"refs/convoy/convoy-01m82s38k6891yds7mpywnm189/1-retried/attempt-2"},"rebased":false,"task_index":1,"attempt_no":2}');
INSERT INTO "events" VALUES(25,'convoy-01m82s38k6891yds7mpywnm189',1795389760682,'merge_queued','retried','{"commit":"133ab931c7443cf4c4ff682567086918be8e4216","task_index":1,"attempt_no":2}');
INSERT INTO "events" VALUES(26,'convoy-01m82s38k6891yds7mpywnm189',1795389760723,'merge_prepared','retried','{"commit":"feca360e7c007e8fa1aec499617197b2f2013099","onto":"5055cc5baae24eac199a721811b0cbcf8d409b39","task_index":1,"attempt_no":2}');
INSERT INTO "events" VALUES(27,'convoy-01m82s38k6891yds7mpywnm189',1795389760754,'merge_done','retried','{"commit":"feca360e7c007e8fa1aec499617197b2f2013099","task_index":1,"attempt_no":2}');
INSERT INTO "events" VALUES(28,'convoy-01m82s38k6891yds7mpywnm189',1795389760754,'task_done','retried','{"commit":"feca360e7c007e8fa1aec499617197b2f2013099","no_changes":false,"exit_code":0,"retries":1,"task_index":1,"attempt_no":2}');
INSERT INTO "events" VALUES(29,'convoy-01m82s38k6891yds7mpywnm189',1795389760754,'task_assigned','lost','{"kind":"first","agent":"developer","base":"feca360e7c007e8fa1aec499617197b2f2013099","task_index":2,"attempt_no":1}');
INSERT INTO "events" VALUES(30,'convoy-01m82s38k6891yds7mpywnm189',1795389760799,'branch_publish_started',NULL,'{"from":"5055cc5baae24eac199a721811b0cbcf8d409b39","to":"feca360e7c007e8fa1aec499617197b2f2013099","tip":"feca360e7c007e8fa1aec499617197b2f2013099","checkout":"REPOSITORY","lock":"REPOSITORY/.git/index.lock"}');
INSERT INTO "events" VALUES(31,'convoy-01m82s38k6891yds7mpywnm189',1795389760804,'task_started','lost','{"adapter":"scripted","worktree":"REPOSITORY/.convoy/worktrees/convoy-01m82s38k6891yds7mpywnm189/2-lost","prompt_bytes":61,"session":"fresh","task_index":2,"attempt_no":1}');
INSERT INTO "events" VALUES(32,'convoy-01m82s38k6891yds7mpywnm189',1795389760818,'worker_spawned','lost','{"pid":22663,"start_time":2788693,"task_index":2,"attempt_no":1}');
INSERT INTO "events" VALUES(33,'convoy-01m82s38k6891yds7mpywnm189',1795389760818,'task_agent_ended','lost','{"result":{"outcome":"failed","failure":{"failure_type":"error","message":"scripted reported an error: I cannot","exit_code":3,"output_tail":"{\"type\":\"result\",\"result\":\"I cannot\",\"is_error\":true,\"session_id\":\"session-22663\"}\n"}},"exit_code":3,"session":"session-22663","usage":{},"duration_ms":14,"summary":"I cannot","task_index":2,"attempt_no":1}');
INSERT INTO "events" VALUES(34,'convoy-01m82s38k6891yds7mpywnm189',1795389760883,'branch_published',NULL,'{"branch":"refs/heads/main","commit":"feca360e7c007e8fa1aec499617197b2f2013099","tip":"feca360e7c007e8fa1aec499617197b2f2013099"}');
INSERT INTO "events" VALUES(35,'convoy-01m82s38k6891yds7mpywnm189',1795389761046,'task_snapshot','lost','{"work":{"commit":"feca360e7c007e8fa1aec499617197b2f2013099","tree":"5009d7783620e74b265af6660489b62f8cc3d466","base":"feca360e7c007e8fa1aec499617197b2f2013099","changed":false,"kept_ref":"refs/convoy/convoy-01m82s38k6891yds7mpywnm189/2-lost/attempt-1"},"rebased":false,"task_index":2,"attempt_no":1}');
INSERT INTO "events" VALUES(36,'convoy-01m82s38k6891yds7mpywnm189',1795389761046,'task_failed','lost','{"status":"failed","reason":"error","failure":{"failure_type":"error","message":"scripted reported an error: I cannot","exit_code":3,"output_tail":"{\"type\":\"result\",\"result\":\"I cannot\",\"is_error\":true,\"session_id\":\"session-22663\"}\n"},"exit_code":3,"stops":false,"task_index":2,"attempt_no":1}');
INSERT INTO "events" VALUES(37,'convoy-01m82s38k6891yds7mpywnm189',1795389761046,'dlq_entry_created','lost','{"dlq_id":"dlq-01m82s38k6891yds7mpywnm189.2.1","agent":"developer","failure_type":"error","attempts":1,"error":"scripted reported an error: I cannot","task_index":2,"attempt_no":1}');
INSERT INTO "events" VALUES(38,'convoy-01m82s38k6891yds7mpywnm189',1795389761046,'task_skipped','skipped','{"reason":"task lost is not done","because":2,"task_index":3}');
INSERT INTO "events" VALUES(39,'convoy-01m82s38k6891yds7mpywnm189',1795389761046,'task_assigned','cut','{"kind":"first","agent":"developer","base":"feca360e7c007e8fa1aec499617197b2f2013099","task_index":4,"attempt_no":1}');
INSERT INTO "events" VALUES(40,'convoy-01m82s38k6891yds7mpywnm189',1795389761162,'task_started','cut','{"adapter":"scripted","worktree":"REPOSITORY/.convoy/worktrees/convoy-01m82s38k6891yds7mpywnm189/4-cut","prompt_bytes":90,"session":"fresh","task_index":4,"attempt_no":1}');
INSERT INTO "events" VALUES(41,'convoy-01m82s38k6891yds7mpywnm189',1795389761162,'worker_spawned','cut','{"pid":22727,"start_time":2788724,"task_index":4,"attempt_no":1}');
INSERT INTO "events" VALUES(42,'convoy-01m82s38k6891yds7mpywnm189',1795389781845,'task_agent_ended','cut','{"result":{"outcome":"failed","failure":{"failure_type":"error","message":"scripted ended with signal 9"}},"usage":{},"duration_ms":20728,"summary":"","task_index":4,"attempt_no":1}');
INSERT INTO "events" VALUES(43,'convoy-01m82s38k6891yds7mpywnm189',1795389781938,'task_snapshot','cut','{"work":{"commit":"e3785d80eb2894901f1d9c7b8363a071b64cf2ad","tree":"a447fd7bb26ec1f00857a9d6d75c8967ed9122b8","base":"feca360e7c007e8fa1aec499617197b2f2013099","changed":true,"kept_ref":"refs/convoy/convoy-01m82s38k6891yds7mpywnm189/4-cut/attempt-1"},"rebased":false,"task_index":4,"attempt_no":1}');
INSERT INTO "events" VALUES(44,'convoy-01m82s38k6891yds7mpywnm189',1795389781938,'task_retried','cut','{"previous_status":"failed","failure":{"failure_type":"error","message":"scripted ended with signal 9"},"not_before":"2026-11-22T23:23:01.938Z","retries":1,"task_index":4,"attempt_no":1}');
INSERT INTO "events" VALUES(45,'convoy-01m82s38k6891yds7mpywnm189',1795389781938,'task_assigned','cut','{"kind":"retry","agent":"developer","base":"feca360e7c007e8fa1aec499617197b2f2013099","task_index":4,"attempt_no":2}');
INSERT INTO "events" VALUES(46,'convoy-01m82s38k6891yds7mpywnm189',1795389782008,'task_started','cut','{"adapter":"scripted","worktree":"REPOSITORY/.convoy/worktrees/convoy-01m82s38k6891yds7mpywnm189/4-cut","prompt_bytes":415,"session":"fresh","task_index":4,"attempt_no":2}');
INSERT INTO "events" VALUES(47,'convoy-01m82s38k6891yds7mpywnm189',1795389782008,'worker_spawned','cut','{"pid":25966,"start_time":2790813,"task_index":4,"attempt_no":2}');
CREATE TABLE gate_results (
    event_id INTEGER PRIMARY KEY,
    convoy_id TEXT,
    task_index INTEGER,
    task_id TEXT,
    attempt INTEGER,
    gate TEXT,
    passed INTEGER,
    exit_code INTEGER,
    duration_ms INTEGER,
    time TEXT
) STRICT;
INSERT INTO "gate_results" VALUES(7,'convoy-01m82s38k6891yds7mpywnm189',0,'landed',1,'test -f landed.txt',1,0,1,'2026-11-22T23:22:40.320Z');
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    convoy_id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    request TEXT NOT NULL
) STRICT;
CREATE TABLE leases (
    convoy_id TEXT PRIMARY KEY NOT NULL,
    fence INTEGER NOT NULL,
    engine TEXT,
    pid INTEGER,
    start_time INTEGER,
    boot TEXT
) STRICT;
INSERT INTO "leases" VALUES('convoy-01m82s38k6891yds7mpywnm189',1,'01M82S38K6C2RXQXKCQBWG43JY',22420,2788597,'320bbf88-366b-4de9-810c-00ec5f29ad9b');
CREATE TABLE specs (
    convoy_id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    spec_text TEXT NOT NULL,
    event_format INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
INSERT INTO "specs" VALUES('convoy-01m82s38k6891yds7mpywnm189','begun by an older version','{"name":"begun by an older version","version":1,"description":null,"concurrency":{"fixed":1},"on_failure":"continue","adapter":"scripted","adapters":{"scripted":{"command":["AGENT","--json"],"prompt":"stdin","resume":["AGENT","--json","--resume","{{session}}"],"model":null,"read_only":null,"mcp_config":null,"output":"json","fields":{"result":"/result","session":"/session_id","error":"/is_error","terminal":null,"input_tokens":"/usage/input_tokens","output_tokens":"/usage/output_tokens","cost_usd":"/total_cost_usd","usage":"final"},"env":{},"account":"work","probe":null}},"branch":null,"max_swarm_concurrency":8,"tasks":[{"id":"landed","prompt":"Do it.\n```script\nwrite landed.txt made\n```","agent":"developer","adapter":null,"model":null,"timeout":{"secs":1800,"nanos":0},"max_retries":1,"retry":{"backoff":{"secs":0,"nanos":0},"max_backoff":{"secs":300,"nanos":0},"jitter":true},"on_exhausted":"dlq","gates":["test -f landed.txt"],"gate_timeout":{"secs":60,"nanos":0},"description":"landed","depends_on":[],"files":["landed.txt"],"priority":5,"locks":["db"],"env":{"OWN":{"literal":"own"}}},{"id":"retried","prompt":"Do it.\n```script\nfail-times 1 BESIDE/count\nwrite retried.txt made\n```","agent":"developer","adapter":null,"model":null,"timeout":{"secs":1800,"nanos":0},"max_retries":1,"retry":{"backoff":{"secs":0,"nanos":10000000},"max_backoff":{"secs":300,"nanos":0},"jitter":true},"on_exhausted":"dlq","gates":[],"gate_timeout":{"secs":60,"nanos":0},"description":"retried","depends_on":["landed"],"files":[],"priority":0,"locks":[],"env":{}},{"id":"lost","prompt":"Do it.\n```script\nsay I cannot\nexit 3\n```","agent":"developer","adapter":null,"model":null,"timeout":{"secs":1800,"nanos":0},"max_retries":0,"retry":{"backoff":{"secs":0,"nanos":0},"max_backoff":{"secs":300,"nanos":0},"jitter":true},"on_exhausted":"dlq","gates":[],"gate_timeout":{"secs":60,"nanos":0},"description":"lost","depends_on":["retried"],"files":[],"priority":0,"locks":[],"env":{}},{"id":"skipped","prompt":"Do it.\n```script\nwrite skipped.txt made\n```","agent":"developer","adapter":null,"model":null,"timeout":{"secs":1800,"nanos":0},"max_retries":1,"retry":{"backoff":{"secs":0,"nanos":0},"max_backoff":{"secs":300,"nanos":0},"jitter":true},"on_exhausted":"dlq","gates":[],"gate_timeout":{"secs":60,"nanos":0},"description":"skipped","depends_on":["lost"],"files":[],"priority":0,"locks":[],"env":{}},{"id":"cut","prompt":"Do it.\n```script\nwrite cut.txt made\nlisten BESIDE/gate\n```","agent":"developer","adapter":null,"model":null,"timeout":{"secs":1800,"nanos":0},"max_retries":1,"retry":{"backoff":{"secs":0,"nanos":0},"max_backoff":{"secs":300,"nanos":0},"jitter":true},"on_exhausted":"dlq","gates":[],"gate_timeout":{"secs":60,"nanos":0},"description":"cut","depends_on":["retried"],"files":[],"priority":-1,"locks":[],"env":{}},{"id":"waits","prompt":"Do it.\n```script\nwrite waits.txt made\n```","agent":"developer","adapter":null,"model":null,"timeout":{"secs":300,"nanos":0},"max_retries":1,"retry":{"backoff":{"secs":0,"nanos":0},"max_backoff":{"secs":300,"nanos":0},"jitter":true},"on_exhausted":"skip","gates":[],"gate_timeout":{"secs":60,"nanos":0},"description":"waits","depends_on":["cut"],"files":[],"priority":0,"locks":[],"env":{}}],"locks":{"db":1},"env":{"PLAIN":{"literal":"text"}},"worktree":{"setup":["true"],"copy":[]},"unsupported":[]}',1,1795389760102);
CREATE TABLE tasks (
    convoy_id TEXT NOT NULL,
    task_index INTEGER NOT NULL,
    task_id TEXT,
    status TEXT,
    agent TEXT,
    adapter TEXT,
    model TEXT,
    attempts INTEGER,
    retries INTEGER,
    started_at TEXT,
    finished_at TEXT,
    not_before TEXT,
    commit_id TEXT,
    no_changes INTEGER,
    failure_type TEXT,
    error TEXT,
    exit_code INTEGER,
    reason TEXT,
    PRIMARY KEY (convoy_id, task_index)
) STRICT, WITHOUT ROWID;
INSERT INTO "tasks" VALUES('convoy-01m82s38k6891yds7mpywnm189',0,'landed','done','developer','scripted',NULL,1,0,'2026-11-22T23:22:40.172Z','2026-11-22T23:22:40.372Z',NULL,'5055cc5baae24eac199a721811b0cbcf8d409b39',0,NULL,NULL,0,NULL);
INSERT INTO "tasks" VALUES('convoy-01m82s38k6891yds7mpywnm189',1,'retried','done','developer','scripted',NULL,2,1,'2026-11-22T23:22:40.434Z','2026-11-22T23:22:40.754Z',NULL,'feca360e7c007e8fa1aec499617197b2f2013099',0,NULL,NULL,0,NULL);
INSERT INTO "tasks" VALUES('convoy-01m82s38k6891yds7mpywnm189',2,'lost','failed','developer','scripted',NULL,1,NULL,'2026-11-22T23:22:40.804Z','2026-11-22T23:22:41.046Z',NULL,NULL,NULL,'error','scripted reported an error: I cannot',3,'error');
INSERT INTO "tasks" VALUES('convoy-01m82s38k6891yds7mpywnm189',3,'skipped','skipped',NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-22T23:22:41.046Z',NULL,NULL,NULL,NULL,NULL,NULL,'task lost is not done');
INSERT INTO "tasks" VALUES('convoy-01m82s38k6891yds7mpywnm189',4,'cut','running','developer','scripted',NULL,2,1,'2026-11-22T23:22:41.162Z',NULL,NULL,NULL,NULL,'error','scripted ended with signal 9',NULL,NULL);
CREATE INDEX events_of_convoy ON events (convoy_id, id);
CREATE INDEX inbox_of_convoy ON inbox (convoy_id, id);
CREATE INDEX tasks_by_status ON tasks (convoy_id, status);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',47);
COMMIT;
