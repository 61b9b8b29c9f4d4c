BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'golden');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,0,1.5,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,1,1,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(3,1,2,NULL,'INF_NEG');
INSERT INTO "trial_intermediate_values" VALUES(4,2,0,1.5,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,2,1,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(6,2,2,NULL,'INF_NEG');
INSERT INTO "trial_intermediate_values" VALUES(7,3,0,1.5,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,3,1,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(9,3,2,NULL,'INF_NEG');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'rate',1.78264971513869487258e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(2,1,'width',48.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 64}}');
INSERT INTO "trial_params" VALUES(3,1,'kind',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "silu", 3, null, true]}}');
INSERT INTO "trial_params" VALUES(4,2,'rate',1.08813350036358891248e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(5,2,'width',32.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 64}}');
INSERT INTO "trial_params" VALUES(6,2,'kind',4.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "silu", 3, null, true]}}');
INSERT INTO "trial_params" VALUES(7,3,'rate',1.20826662533054661648e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(8,3,'width',48.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 64}}');
INSERT INTO "trial_params" VALUES(9,3,'kind',4.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "silu", 3, null, true]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,12.0,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,NULL,'INF_NEG');
INSERT INTO "trial_values" VALUES(3,3,0,NULL,'INF_POS');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-29 21:57:29.214581','2026-11-29 21:57:30.139821');
INSERT INTO "trials" VALUES(2,1,1,'PRUNED','2026-11-29 21:57:30.361247','2026-11-29 21:57:30.930444');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-29 21:57:31.125114','2026-11-29 21:57:31.741963');
INSERT INTO "trials" VALUES(4,3,1,'FAIL','2026-11-29 21:57:31.866773','2026-11-29 21:57:32.080130');
INSERT INTO "trials" VALUES(5,4,1,'RUNNING','2026-11-29 21:57:32.248422',NULL);
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
