BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE answers (
	id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	"key" VARCHAR(40) NOT NULL, 
	choice VARCHAR(20) NOT NULL, 
	degree INTEGER, 
	option INTEGER, 
	path JSON NOT NULL, 
	changes INTEGER NOT NULL, 
	client_ms DOUBLE NOT NULL, 
	hidden INTEGER NOT NULL, 
	hidden_ms DOUBLE NOT NULL, 
	answered_at DOUBLE NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
);
INSERT INTO "answers" VALUES(1,1,'key-faZobJkwjBkg84qI','left',-2,NULL,'[]',0,9000.0,0,0.0,1790000087.0);
INSERT INTO "answers" VALUES(2,2,'key-jcrKgz_a-a6PJq98','liked',NULL,1,'[[0.0, 2], [350.5, 1]]',0,9000.0,0,0.0,1790000130.5);
INSERT INTO "answers" VALUES(3,3,'key--jI6kFGb9zE-adWG','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790000174.0);
INSERT INTO "answers" VALUES(4,4,'key-zj46HQPkPKbLInTg','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790000217.5);
INSERT INTO "answers" VALUES(5,5,'key-cgSs3tW4S5Ol36Dp','left',-2,NULL,'[]',0,9000.0,0,0.0,1790000261.0);
INSERT INTO "answers" VALUES(6,6,'key-UVIyrSbrO5I3s2Iv','left',-2,NULL,'[]',0,9000.0,0,0.0,1790000304.5);
INSERT INTO "answers" VALUES(7,7,'key-K82q6-fo0qJMlJNi','right',1,NULL,'[]',0,9000.0,0,0.0,1790000348.0);
INSERT INTO "answers" VALUES(8,8,'key-FxQqOminTcG4yIit','left',-2,NULL,'[]',0,9000.0,0,0.0,1790000391.5);
INSERT INTO "answers" VALUES(9,9,'key-cHvwCBA9g-yv6Du9','left',-2,NULL,'[]',0,9000.0,0,0.0,1790000435.0);
INSERT INTO "answers" VALUES(10,10,'key-jPbRGjuYHOA130qH','left',-2,NULL,'[]',0,9000.0,0,0.0,1790000478.5);
INSERT INTO "answers" VALUES(11,11,'key-tB8T56XLxaJZ_qBy','left',-2,NULL,'[]',0,9000.0,0,0.0,1790000522.0);
INSERT INTO "answers" VALUES(12,12,'key-cUw29t9_EKPbkMhN','left',-2,NULL,'[]',0,9000.0,0,0.0,1790000565.5);
INSERT INTO "answers" VALUES(13,13,'key-6gW4jP1dYL2bC_Y0','left',-2,NULL,'[]',0,9000.0,0,0.0,1790000609.0);
INSERT INTO "answers" VALUES(14,14,'key-GqEthjc6JU2N0Yjw','liked',NULL,1,'[[0.0, 2], [350.5, 1]]',0,9000.0,0,0.0,1790000652.5);
INSERT INTO "answers" VALUES(15,15,'key-5TkH3kP101AhoUCV','liked',NULL,1,'[[0.0, 2], [350.5, 1]]',0,9000.0,0,0.0,1790000696.0);
INSERT INTO "answers" VALUES(16,16,'key-pkssNUoG35Ayk7Qs','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790000739.5);
INSERT INTO "answers" VALUES(17,17,'key-1-eR7At-kGyhG4Tl','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790000783.0);
INSERT INTO "answers" VALUES(18,18,'key-67BulD1UE2sSS6Fn','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790000826.5);
INSERT INTO "answers" VALUES(19,19,'key-OC_Z3nIqttqgyo6E','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790000870.0);
INSERT INTO "answers" VALUES(20,20,'key-Qc7XTOFJX6q73J2U','left',-2,NULL,'[]',0,9000.0,0,0.0,1790001007.75);
INSERT INTO "answers" VALUES(21,21,'key-gvXGkK6JiBn76piE','liked',NULL,1,'[[0.0, 2], [350.5, 1]]',0,9000.0,0,0.0,1790001051.25);
INSERT INTO "answers" VALUES(22,22,'key-4aWngpUeXz8Uqxi4','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790001094.75);
INSERT INTO "answers" VALUES(23,23,'key-dd-BK9kBvO_qaHj4','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790001138.25);
INSERT INTO "answers" VALUES(24,24,'key-JL5NpnKdkBbdpt4A','left',-2,NULL,'[]',0,9000.0,0,0.0,1790001181.75);
INSERT INTO "answers" VALUES(25,25,'key-80R-I2JJ0EwFTwdr','right',1,NULL,'[]',0,9000.0,0,0.0,1790001225.25);
INSERT INTO "answers" VALUES(26,26,'key-d7hnLdxDjx-YHBZK','left',-2,NULL,'[]',0,9000.0,0,0.0,1790001268.75);
INSERT INTO "answers" VALUES(27,27,'key-zFgxKhmHrtIQh781','left',-2,NULL,'[]',0,9000.0,0,0.0,1790001312.25);
INSERT INTO "answers" VALUES(28,28,'key-lyPDLie3Zw6MFCCY','right',1,NULL,'[]',0,9000.0,0,0.0,1790001355.75);
INSERT INTO "answers" VALUES(29,39,'key-XkMfpsZIrnKM7xeD','left',-2,NULL,'[]',0,9000.0,0,0.0,1790001421.0);
INSERT INTO "answers" VALUES(30,40,'key-XEia2_XRyV4Y_mJe','liked',NULL,1,'[[0.0, 2], [350.5, 1]]',0,9000.0,0,0.0,1790001464.5);
INSERT INTO "answers" VALUES(31,58,'key-jeR8OrWmbU6-HqIn','left',-2,NULL,'[]',0,9000.0,0,0.0,1790001631.25);
INSERT INTO "answers" VALUES(32,59,'key-MX9gfIRUKmVPCGBt','liked',NULL,1,'[[0.0, 2], [350.5, 1]]',0,9000.0,0,0.0,1790001674.75);
INSERT INTO "answers" VALUES(33,60,'key-6Z9PNhmG-mWGTK_t','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790001718.25);
INSERT INTO "answers" VALUES(34,61,'key-S4M0Af4sM2nrfET-','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790001761.75);
INSERT INTO "answers" VALUES(35,62,'key-b6xB4XEPTVkXWqZb','left',-2,NULL,'[]',0,9000.0,0,0.0,1790001805.25);
INSERT INTO "answers" VALUES(36,63,'key-JtSv0UYraTxNF6iB','left',-2,NULL,'[]',0,9000.0,0,0.0,1790001848.75);
INSERT INTO "answers" VALUES(37,64,'key-RPFL0ZHHgb9P0Vv4','left',-2,NULL,'[]',0,9000.0,0,0.0,1790001892.25);
INSERT INTO "answers" VALUES(38,65,'key-4g2b8AZFmR_9fPvm','left',-2,NULL,'[]',0,9000.0,0,0.0,1790001935.75);
INSERT INTO "answers" VALUES(39,66,'key-vJw178P7mhej15Sz','left',-2,NULL,'[]',0,9000.0,0,0.0,1790001979.25);
INSERT INTO "answers" VALUES(40,67,'key--L8UUvlc6ITAiXTI','left',-2,NULL,'[]',0,9000.0,0,0.0,1790002022.75);
INSERT INTO "answers" VALUES(41,68,'key-WEGatJ2wW2PE8zX_','left',-2,NULL,'[]',0,9000.0,0,0.0,1790002066.25);
INSERT INTO "answers" VALUES(42,69,'key-G5k2smGpOXAuN_-e','left',-2,NULL,'[]',0,9000.0,0,0.0,1790002109.75);
INSERT INTO "answers" VALUES(43,70,'key-KpEP76143g-GmxPU','left',-2,NULL,'[]',0,9000.0,0,0.0,1790002153.25);
INSERT INTO "answers" VALUES(44,71,'key-xvaizZQ_y2nNrHze','liked',NULL,1,'[[0.0, 2], [350.5, 1]]',0,9000.0,0,0.0,1790002196.75);
INSERT INTO "answers" VALUES(45,72,'key-2qjg13POfK0DNenC','liked',NULL,1,'[[0.0, 2], [350.5, 1]]',0,9000.0,0,0.0,1790002240.25);
INSERT INTO "answers" VALUES(46,73,'key-CYPLMmxy32qRTDOW','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790002283.75);
INSERT INTO "answers" VALUES(47,74,'key-h-z_gMlNqEz4C00u','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790002327.25);
INSERT INTO "answers" VALUES(48,75,'key-4PQ3GrpccQ3H7ZBx','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790002370.75);
INSERT INTO "answers" VALUES(49,76,'key-OuKSY5PSWPPg2dup','right',NULL,NULL,'[]',0,9000.0,0,0.0,1790002414.25);
CREATE TABLE events (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	person_id INTEGER, 
	trial_id INTEGER, 
	kind VARCHAR(20) NOT NULL, 
	at DOUBLE NOT NULL, 
	detail JSON NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE, 
	FOREIGN KEY(person_id) REFERENCES people (id) ON DELETE CASCADE, 
	FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
);
INSERT INTO "events" VALUES(1,1,NULL,NULL,'declined',1790000014.5,'{}');
INSERT INTO "events" VALUES(2,1,1,NULL,'consented',1790000036.25,'{"version": "7"}');
INSERT INTO "events" VALUES(3,1,1,NULL,'instructed',1790000058.0,'{}');
INSERT INTO "events" VALUES(4,1,1,1,'shown',1790000079.75,'{"times": 1}');
INSERT INTO "events" VALUES(5,1,1,1,'answered',1790000101.5,'{}');
INSERT INTO "events" VALUES(6,1,1,2,'shown',1790000123.25,'{"times": 1}');
INSERT INTO "events" VALUES(7,1,1,2,'answered',1790000145.0,'{}');
INSERT INTO "events" VALUES(8,1,1,3,'shown',1790000166.75,'{"times": 1}');
INSERT INTO "events" VALUES(9,1,1,3,'answered',1790000188.5,'{}');
INSERT INTO "events" VALUES(10,1,1,4,'shown',1790000210.25,'{"times": 1}');
INSERT INTO "events" VALUES(11,1,1,4,'answered',1790000232.0,'{}');
INSERT INTO "events" VALUES(12,1,1,5,'shown',1790000253.75,'{"times": 1}');
INSERT INTO "events" VALUES(13,1,1,5,'answered',1790000275.5,'{}');
INSERT INTO "events" VALUES(14,1,1,6,'shown',1790000297.25,'{"times": 1}');
INSERT INTO "events" VALUES(15,1,1,6,'answered',1790000319.0,'{}');
INSERT INTO "events" VALUES(16,1,1,7,'shown',1790000340.75,'{"times": 1}');
INSERT INTO "events" VALUES(17,1,1,7,'answered',1790000362.5,'{}');
INSERT INTO "events" VALUES(18,1,1,8,'shown',1790000384.25,'{"times": 1}');
INSERT INTO "events" VALUES(19,1,1,8,'answered',1790000406.0,'{}');
INSERT INTO "events" VALUES(20,1,1,9,'shown',1790000427.75,'{"times": 1}');
INSERT INTO "events" VALUES(21,1,1,9,'answered',1790000449.5,'{}');
INSERT INTO "events" VALUES(22,1,1,10,'shown',1790000471.25,'{"times": 1}');
INSERT INTO "events" VALUES(23,1,1,10,'answered',1790000493.0,'{}');
INSERT INTO "events" VALUES(24,1,1,11,'shown',1790000514.75,'{"times": 1}');
INSERT INTO "events" VALUES(25,1,1,11,'answered',1790000536.5,'{}');
INSERT INTO "events" VALUES(26,1,1,12,'shown',1790000558.25,'{"times": 1}');
INSERT INTO "events" VALUES(27,1,1,12,'answered',1790000580.0,'{}');
INSERT INTO "events" VALUES(28,1,1,13,'shown',1790000601.75,'{"times": 1}');
INSERT INTO "events" VALUES(29,1,1,13,'answered',1790000623.5,'{}');
INSERT INTO "events" VALUES(30,1,1,14,'shown',1790000645.25,'{"times": 1}');
INSERT INTO "events" VALUES(31,1,1,14,'answered',1790000667.0,'{}');
INSERT INTO "events" VALUES(32,1,1,15,'shown',1790000688.75,'{"times": 1}');
INSERT INTO "events" VALUES(33,1,1,15,'answered',1790000710.5,'{}');
INSERT INTO "events" VALUES(34,1,1,16,'shown',1790000732.25,'{"times": 1}');
INSERT INTO "events" VALUES(35,1,1,16,'answered',1790000754.0,'{}');
INSERT INTO "events" VALUES(36,1,1,17,'shown',1790000775.75,'{"times": 1}');
INSERT INTO "events" VALUES(37,1,1,17,'answered',1790000797.5,'{}');
INSERT INTO "events" VALUES(38,1,1,18,'shown',1790000819.25,'{"times": 1}');
INSERT INTO "events" VALUES(39,1,1,18,'answered',1790000841.0,'{}');
INSERT INTO "events" VALUES(40,1,1,19,'shown',1790000862.75,'{"times": 1}');
INSERT INTO "events" VALUES(41,1,1,19,'answered',1790000884.5,'{}');
INSERT INTO "events" VALUES(42,1,1,NULL,'responded',1790000913.5,'{}');
INSERT INTO "events" VALUES(43,1,1,NULL,'finished',1790000935.25,'{"outcome": "completed"}');
INSERT INTO "events" VALUES(44,1,2,NULL,'consented',1790000957.0,'{"version": "7"}');
INSERT INTO "events" VALUES(45,1,2,NULL,'instructed',1790000978.75,'{}');
INSERT INTO "events" VALUES(46,1,2,20,'shown',1790001000.5,'{"times": 1}');
INSERT INTO "events" VALUES(47,1,2,20,'answered',1790001022.25,'{}');
INSERT INTO "events" VALUES(48,1,2,21,'shown',1790001044.0,'{"times": 1}');
INSERT INTO "events" VALUES(49,1,2,21,'answered',1790001065.75,'{}');
INSERT INTO "events" VALUES(50,1,2,22,'shown',1790001087.5,'{"times": 1}');
INSERT INTO "events" VALUES(51,1,2,22,'answered',1790001109.25,'{}');
INSERT INTO "events" VALUES(52,1,2,23,'shown',1790001131.0,'{"times": 1}');
INSERT INTO "events" VALUES(53,1,2,23,'answered',1790001152.75,'{}');
INSERT INTO "events" VALUES(54,1,2,24,'shown',1790001174.5,'{"times": 1}');
INSERT INTO "events" VALUES(55,1,2,24,'answered',1790001196.25,'{}');
INSERT INTO "events" VALUES(56,1,2,25,'shown',1790001218.0,'{"times": 1}');
INSERT INTO "events" VALUES(57,1,2,25,'answered',1790001239.75,'{}');
INSERT INTO "events" VALUES(58,1,2,26,'shown',1790001261.5,'{"times": 1}');
INSERT INTO "events" VALUES(59,1,2,26,'answered',1790001283.25,'{}');
INSERT INTO "events" VALUES(60,1,2,27,'shown',1790001305.0,'{"times": 1}');
INSERT INTO "events" VALUES(61,1,2,27,'answered',1790001326.75,'{}');
INSERT INTO "events" VALUES(62,1,2,28,'shown',1790001348.5,'{"times": 1}');
INSERT INTO "events" VALUES(63,1,2,28,'answered',1790001370.25,'{}');
INSERT INTO "events" VALUES(64,1,3,NULL,'consented',1790001392.0,'{"version": "7"}');
INSERT INTO "events" VALUES(65,1,3,39,'shown',1790001413.75,'{"times": 1}');
INSERT INTO "events" VALUES(66,1,3,39,'answered',1790001435.5,'{}');
INSERT INTO "events" VALUES(67,1,3,40,'shown',1790001457.25,'{"times": 1}');
INSERT INTO "events" VALUES(68,1,3,40,'answered',1790001479.0,'{}');
INSERT INTO "events" VALUES(69,1,NULL,NULL,'withdrawn',1790001551.5,'{}');
INSERT INTO "events" VALUES(70,1,2,NULL,'refused',1790001558.75,'{"reason": "stale"}');
INSERT INTO "events" VALUES(71,1,4,NULL,'consented',1790001580.5,'{"version": "7"}');
INSERT INTO "events" VALUES(72,1,4,NULL,'instructed',1790001602.25,'{}');
INSERT INTO "events" VALUES(73,1,4,58,'shown',1790001624.0,'{"times": 1}');
INSERT INTO "events" VALUES(74,1,4,58,'answered',1790001645.75,'{}');
INSERT INTO "events" VALUES(75,1,4,59,'shown',1790001667.5,'{"times": 1}');
INSERT INTO "events" VALUES(76,1,4,59,'answered',1790001689.25,'{}');
INSERT INTO "events" VALUES(77,1,4,60,'shown',1790001711.0,'{"times": 1}');
INSERT INTO "events" VALUES(78,1,4,60,'answered',1790001732.75,'{}');
INSERT INTO "events" VALUES(79,1,4,61,'shown',1790001754.5,'{"times": 1}');
INSERT INTO "events" VALUES(80,1,4,61,'answered',1790001776.25,'{}');
INSERT INTO "events" VALUES(81,1,4,62,'shown',1790001798.0,'{"times": 1}');
INSERT INTO "events" VALUES(82,1,4,62,'answered',1790001819.75,'{}');
INSERT INTO "events" VALUES(83,1,4,63,'shown',1790001841.5,'{"times": 1}');
INSERT INTO "events" VALUES(84,1,4,63,'answered',1790001863.25,'{}');
INSERT INTO "events" VALUES(85,1,4,64,'shown',1790001885.0,'{"times": 1}');
INSERT INTO "events" VALUES(86,1,4,64,'answered',1790001906.75,'{}');
INSERT INTO "events" VALUES(87,1,4,65,'shown',1790001928.5,'{"times": 1}');
INSERT INTO "events" VALUES(88,1,4,65,'answered',1790001950.25,'{}');
INSERT INTO "events" VALUES(89,1,4,66,'shown',1790001972.0,'{"times": 1}');
INSERT INTO "events" VALUES(90,1,4,66,'answered',1790001993.75,'{}');
INSERT INTO "events" VALUES(91,1,4,67,'shown',1790002015.5,'{"times": 1}');
INSERT INTO "events" VALUES(92,1,4,67,'answered',1790002037.25,'{}');
INSERT INTO "events" VALUES(93,1,4,68,'shown',1790002059.0,'{"times": 1}');
INSERT INTO "events" VALUES(94,1,4,68,'answered',1790002080.75,'{}');
INSERT INTO "events" VALUES(95,1,4,69,'shown',1790002102.5,'{"times": 1}');
INSERT INTO "events" VALUES(96,1,4,69,'answered',1790002124.25,'{}');
INSERT INTO "events" VALUES(97,1,4,70,'shown',1790002146.0,'{"times": 1}');
INSERT INTO "events" VALUES(98,1,4,70,'answered',1790002167.75,'{}');
INSERT INTO "events" VALUES(99,1,4,71,'shown',1790002189.5,'{"times": 1}');
INSERT INTO "events" VALUES(100,1,4,71,'answered',1790002211.25,'{}');
INSERT INTO "events" VALUES(101,1,4,72,'shown',1790002233.0,'{"times": 1}');
INSERT INTO "events" VALUES(102,1,4,72,'answered',1790002254.75,'{}');
INSERT INTO "events" VALUES(103,1,4,73,'shown',1790002276.5,'{"times": 1}');
INSERT INTO "events" VALUES(104,1,4,73,'answered',1790002298.25,'{}');
INSERT INTO "events" VALUES(105,1,4,74,'shown',1790002320.0,'{"times": 1}');
INSERT INTO "events" VALUES(106,1,4,74,'answered',1790002341.75,'{}');
INSERT INTO "events" VALUES(107,1,4,75,'shown',1790002363.5,'{"times": 1}');
INSERT INTO "events" VALUES(108,1,4,75,'answered',1790002385.25,'{}');
INSERT INTO "events" VALUES(109,1,4,76,'shown',1790002407.0,'{"times": 1}');
INSERT INTO "events" VALUES(110,1,4,76,'answered',1790002428.75,'{}');
INSERT INTO "events" VALUES(111,1,NULL,NULL,'paused',1790002443.25,'{}');
INSERT INTO "events" VALUES(112,1,NULL,NULL,'resumed',1790002450.5,'{}');
CREATE TABLE external_ids (
	person_id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	external VARCHAR(200) NOT NULL, 
	recruitment VARCHAR(200) NOT NULL, 
	session VARCHAR(200) NOT NULL, 
	PRIMARY KEY (person_id), 
	CONSTRAINT external_ids_once UNIQUE (study_id, external), 
	FOREIGN KEY(person_id) REFERENCES people (id) ON DELETE CASCADE, 
	FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE
);
INSERT INTO "external_ids" VALUES(1,1,'pid-done','recruitment','session-1');
INSERT INTO "external_ids" VALUES(2,1,'pid-half','recruitment','session-2');
CREATE TABLE people (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	code VARCHAR(40) NOT NULL, 
	"key" VARCHAR(40) NOT NULL, 
	preview BOOLEAN NOT NULL, 
	seed VARCHAR(40) NOT NULL, 
	consent_version VARCHAR(40) NOT NULL, 
	consented_at DOUBLE NOT NULL, 
	seen_at DOUBLE NOT NULL, 
	instructed_at DOUBLE, 
	questioned_at DOUBLE, 
	finished_at DOUBLE, 
	outcome VARCHAR(20) NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE, 
	UNIQUE (code), 
	UNIQUE ("key")
);
INSERT INTO "people" VALUES(1,1,'qzXNu3T52t5YcdFFNlS3eQ','form-0001',0,'3-0-0d4de48e','7',1790000021.75,1790000928.0,1790000043.5,1790000899.0,1790000920.75,'completed');
INSERT INTO "people" VALUES(2,1,'-e_SPuJrBb6oG8Thip7Gdw','form-0002',0,'3-1-c4819f4a','7',1790000942.5,1790001363.0,1790000964.25,NULL,NULL,'');
INSERT INTO "people" VALUES(3,1,'y-ZPvE5VRdpCZjXit56svQ','form-0003',1,'3-2-dd68b44b','7',1790001377.5,1790001471.75,NULL,NULL,NULL,'');
INSERT INTO "people" VALUES(4,1,'nKQOfIHQTbyQvT39_IPrRA','form-0005',0,'3-3-1ca610e5','7',1790001566.0,1790002421.5,1790001587.75,NULL,NULL,'');
CREATE TABLE responses (
	person_id INTEGER NOT NULL, 
	question VARCHAR(40) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (person_id, question), 
	FOREIGN KEY(person_id) REFERENCES people (id) ON DELETE CASCADE
);
INSERT INTO "responses" VALUES(1,'age','41.5');
INSERT INTO "responses" VALUES(1,'mood','4');
INSERT INTO "responses" VALUES(1,'remarks','fine, "thanks" ☃');
CREATE TABLE studies (
	id INTEGER NOT NULL, 
	name VARCHAR(60) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	"plan" TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	paused BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "studies" VALUES(1,'made','d7b201e901c6ee570d4d0b8224f961da78d2a3bde5809da24329feef6fe7dff5','{"format":1,"name":"made","title":"A made study","seed":3,"phases":["consent","instructions","practice","trials","questions","thanks"],"consent":{"version":"7","text":"We store your answers."},"instructions":"Read **both** replies.","thanks":"Thank you. Your answers are saved.","contact":"ask@example.org","axis":"extraversion","method":"alpha","strengths":[-1.0,0.0,1.0,2.0],"system":"","seeds":[0],"max_new_tokens":80,"sampling":{"temperature":0.0,"top_k":0,"top_p":1.0,"repetition_penalty":1.0},"prompts":[{"id":"try","text":"Is this practice?","topic":"","practice":true},{"id":"work","text":"Describe your work.","topic":"work","practice":false},{"id":"home","text":"Describe your home.","topic":"home","practice":false},{"id":"trip","text":"Describe a trip.","topic":"home","practice":false}],"practice":1,"tasks":[{"kind":"pair","trials":6,"question":"","degree":true},{"kind":"adjustment","trials":2,"question":"","degree":true},{"kind":"single","trials":2,"question":"","degree":true},{"kind":"adaptive","trials":2,"question":"","degree":true}],"checks":{"instructed":1,"gold":1,"fluent":0.0,"broken":9.0,"repeated":1,"seconds_per_word":0.08,"fail_after":0},"questions":[{"id":"age","text":"How old are you?","kind":"number","options":[],"steps":7,"required":false},{"id":"mood","text":"How are you?","kind":"scale","options":["badly","well"],"steps":7,"required":true},{"id":"remarks","text":"Anything else?","kind":"text","options":[],"steps":7,"required":false}]}',1790000007.25,0);
CREATE TABLE trials (
	id INTEGER NOT NULL, 
	person_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	token VARCHAR(40) NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	counted BOOLEAN NOT NULL, 
	cell VARCHAR(80) NOT NULL, 
	content VARCHAR(80) NOT NULL, 
	options JSON NOT NULL, 
	start INTEGER, 
	"check" VARCHAR(20) NOT NULL, 
	expected VARCHAR(20) NOT NULL, 
	repeats INTEGER, 
	shown_at DOUBLE, 
	last_shown_at DOUBLE, 
	shows INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT trials_once UNIQUE (person_id, position), 
	FOREIGN KEY(person_id) REFERENCES people (id) ON DELETE CASCADE, 
	UNIQUE (token)
);
INSERT INTO "trials" VALUES(1,1,0,'faZobJkwjBkg84qI','pair',0,'pair -1 2','try/0','["try/0/-1.0", "try/0/2.0"]',NULL,'','',NULL,1790000065.25,1790000065.25,1);
INSERT INTO "trials" VALUES(2,1,1,'jcrKgz_a-a6PJq98','adjustment',0,'adjustment try 0','try/0','["try/0/2.0", "try/0/1.0", "try/0/0.0", "try/0/-1.0"]',3,'','',NULL,1790000108.75,1790000108.75,1);
INSERT INTO "trials" VALUES(3,1,2,'-jI6kFGb9zE-adWG','single',0,'single 2','try/0','["try/0/2.0"]',NULL,'','',NULL,1790000152.25,1790000152.25,1);
INSERT INTO "trials" VALUES(4,1,3,'zj46HQPkPKbLInTg','adaptive',0,'adaptive try 0','try/0','["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]',2,'','',NULL,1790000195.75,1790000195.75,1);
INSERT INTO "trials" VALUES(5,1,4,'cgSs3tW4S5Ol36Dp','pair',1,'pair -1 2','work/0','["work/0/-1.0", "work/0/2.0"]',NULL,'','',NULL,1790000239.25,1790000239.25,1);
INSERT INTO "trials" VALUES(6,1,5,'UVIyrSbrO5I3s2Iv','pair',1,'pair 0 1','work/0','["work/0/0.0", "work/0/1.0"]',NULL,'','',NULL,1790000282.75,1790000282.75,1);
INSERT INTO "trials" VALUES(7,1,6,'K82q6-fo0qJMlJNi','pair',1,'','check/0','[]',NULL,'instructed','right',NULL,1790000326.25,1790000326.25,1);
INSERT INTO "trials" VALUES(8,1,7,'FxQqOminTcG4yIit','pair',1,'pair -1 0','home/0','["home/0/0.0", "home/0/-1.0"]',NULL,'','',NULL,1790000369.75,1790000369.75,1);
INSERT INTO "trials" VALUES(9,1,8,'cHvwCBA9g-yv6Du9','pair',1,'','home/0','["home/0/0.0", "home/0/9.0"]',NULL,'gold','left',NULL,1790000413.25,1790000413.25,1);
INSERT INTO "trials" VALUES(10,1,9,'jPbRGjuYHOA130qH','pair',1,'pair 0 1','work/0','["work/0/1.0", "work/0/0.0"]',NULL,'repeated','',5,1790000456.75,1790000456.75,1);
INSERT INTO "trials" VALUES(11,1,10,'tB8T56XLxaJZ_qBy','pair',1,'pair 0 2','home/0','["home/0/0.0", "home/0/2.0"]',NULL,'','',NULL,1790000500.25,1790000500.25,1);
INSERT INTO "trials" VALUES(12,1,11,'cUw29t9_EKPbkMhN','pair',1,'pair 1 2','trip/0','["trip/0/2.0", "trip/0/1.0"]',NULL,'','',NULL,1790000543.75,1790000543.75,1);
INSERT INTO "trials" VALUES(13,1,12,'6gW4jP1dYL2bC_Y0','pair',1,'pair -1 1','trip/0','["trip/0/1.0", "trip/0/-1.0"]',NULL,'','',NULL,1790000587.25,1790000587.25,1);
INSERT INTO "trials" VALUES(14,1,13,'GqEthjc6JU2N0Yjw','adjustment',1,'adjustment work 0','work/0','["work/0/2.0", "work/0/1.0", "work/0/0.0", "work/0/-1.0"]',2,'','',NULL,1790000630.75,1790000630.75,1);
INSERT INTO "trials" VALUES(15,1,14,'5TkH3kP101AhoUCV','adjustment',1,'adjustment trip 0','trip/0','["trip/0/-1.0", "trip/0/0.0", "trip/0/1.0", "trip/0/2.0"]',3,'','',NULL,1790000674.25,1790000674.25,1);
INSERT INTO "trials" VALUES(16,1,15,'pkssNUoG35Ayk7Qs','single',1,'single -1','home/0','["home/0/-1.0"]',NULL,'','',NULL,1790000717.75,1790000717.75,1);
INSERT INTO "trials" VALUES(17,1,16,'1-eR7At-kGyhG4Tl','single',1,'single 1','work/0','["work/0/1.0"]',NULL,'','',NULL,1790000761.25,1790000761.25,1);
INSERT INTO "trials" VALUES(18,1,17,'67BulD1UE2sSS6Fn','adaptive',1,'adaptive trip 0','trip/0','["trip/0/-1.0", "trip/0/0.0", "trip/0/1.0", "trip/0/2.0"]',2,'','',NULL,1790000804.75,1790000804.75,1);
INSERT INTO "trials" VALUES(19,1,18,'OC_Z3nIqttqgyo6E','adaptive',1,'adaptive work 0','work/0','["work/0/-1.0", "work/0/0.0", "work/0/1.0", "work/0/2.0"]',3,'','',NULL,1790000848.25,1790000848.25,1);
INSERT INTO "trials" VALUES(20,2,0,'Qc7XTOFJX6q73J2U','pair',0,'pair 0 1','try/0','["try/0/1.0", "try/0/0.0"]',NULL,'','',NULL,1790000986.0,1790000986.0,1);
INSERT INTO "trials" VALUES(21,2,1,'gvXGkK6JiBn76piE','adjustment',0,'adjustment try 0','try/0','["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]',0,'','',NULL,1790001029.5,1790001029.5,1);
INSERT INTO "trials" VALUES(22,2,2,'4aWngpUeXz8Uqxi4','single',0,'single 2','try/0','["try/0/2.0"]',NULL,'','',NULL,1790001073.0,1790001073.0,1);
INSERT INTO "trials" VALUES(23,2,3,'dd-BK9kBvO_qaHj4','adaptive',0,'adaptive try 0','try/0','["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]',2,'','',NULL,1790001116.5,1790001116.5,1);
INSERT INTO "trials" VALUES(24,2,4,'JL5NpnKdkBbdpt4A','pair',1,'pair -1 0','work/0','["work/0/-1.0", "work/0/0.0"]',NULL,'','',NULL,1790001160.0,1790001160.0,1);
INSERT INTO "trials" VALUES(25,2,5,'80R-I2JJ0EwFTwdr','pair',1,'','home/0','["home/0/9.0", "home/0/0.0"]',NULL,'gold','right',NULL,1790001203.5,1790001203.5,1);
INSERT INTO "trials" VALUES(26,2,6,'d7hnLdxDjx-YHBZK','pair',1,'pair 0 2','trip/0','["trip/0/2.0", "trip/0/0.0"]',NULL,'','',NULL,1790001247.0,1790001247.0,1);
INSERT INTO "trials" VALUES(27,2,7,'zFgxKhmHrtIQh781','pair',1,'pair -1 1','work/0','["work/0/-1.0", "work/0/1.0"]',NULL,'','',NULL,1790001290.5,1790001290.5,1);
INSERT INTO "trials" VALUES(28,2,8,'lyPDLie3Zw6MFCCY','pair',1,'','check/0','[]',NULL,'instructed','right',NULL,1790001334.0,1790001334.0,1);
INSERT INTO "trials" VALUES(29,2,9,'LAAwxAo6Lv19wb65','pair',1,'pair 1 2','home/0','["home/0/2.0", "home/0/1.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(30,2,10,'TFxO_69gfuAiNr3T','pair',1,'pair -1 2','trip/0','["trip/0/-1.0", "trip/0/2.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(31,2,11,'rfgYNyk0rSy-FLkr','pair',1,'pair 0 1','home/0','["home/0/1.0", "home/0/0.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(32,2,12,'X-cN_UtHuhu-sq73','pair',1,'pair -1 1','work/0','["work/0/1.0", "work/0/-1.0"]',NULL,'repeated','',7,NULL,NULL,0);
INSERT INTO "trials" VALUES(33,2,13,'4mlDH5WqXCFDYQKA','adjustment',1,'adjustment home 0','home/0','["home/0/-1.0", "home/0/0.0", "home/0/1.0", "home/0/2.0"]',1,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(34,2,14,'iDUH-Hr5dhUOtqQJ','adjustment',1,'adjustment trip 0','trip/0','["trip/0/2.0", "trip/0/1.0", "trip/0/0.0", "trip/0/-1.0"]',3,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(35,2,15,'6l1lTioUenYwRwdB','single',1,'single 2','work/0','["work/0/2.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(36,2,16,'dPGTCkqDQP7tyi3p','single',1,'single 0','work/0','["work/0/0.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(37,2,17,'LwO6IGsf1RtKj83N','adaptive',1,'adaptive trip 0','trip/0','["trip/0/-1.0", "trip/0/0.0", "trip/0/1.0", "trip/0/2.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(38,2,18,'7NcRlNWqW9ejkNXZ','adaptive',1,'adaptive home 0','home/0','["home/0/-1.0", "home/0/0.0", "home/0/1.0", "home/0/2.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(39,3,0,'XkMfpsZIrnKM7xeD','pair',0,'pair 0 2','try/0','["try/0/0.0", "try/0/2.0"]',NULL,'','',NULL,1790001399.25,1790001399.25,1);
INSERT INTO "trials" VALUES(40,3,1,'XEia2_XRyV4Y_mJe','adjustment',0,'adjustment try 0','try/0','["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]',3,'','',NULL,1790001442.75,1790001442.75,1);
INSERT INTO "trials" VALUES(41,3,2,'XH_UDQW-lXzAIbeB','single',0,'single 2','try/0','["try/0/2.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(42,3,3,'8fy15bWfN9BQfMyv','adaptive',0,'adaptive try 0','try/0','["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(43,3,4,'HkrNDwzkM9hkNarS','pair',1,'pair 1 2','home/0','["home/0/1.0", "home/0/2.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(44,3,5,'fHN0pzSYaW9eMfrZ','pair',1,'','trip/0','["trip/0/9.0", "trip/0/0.0"]',NULL,'gold','right',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(45,3,6,'fZI3nLjZlfGBrSvi','pair',1,'pair 0 1','trip/0','["trip/0/0.0", "trip/0/1.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(46,3,7,'g8Keqib_uxkunk9Z','pair',1,'pair -1 2','home/0','["home/0/2.0", "home/0/-1.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(47,3,8,'_L5KvQGJEMNAS040','pair',1,'pair -1 1','work/0','["work/0/1.0", "work/0/-1.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(48,3,9,'KV8MwbjJKY9X4WPU','pair',1,'pair 0 2','work/0','["work/0/0.0", "work/0/2.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(49,3,10,'cw-WpUmm6qO4WUon','pair',1,'pair -1 2','home/0','["home/0/-1.0", "home/0/2.0"]',NULL,'repeated','',7,NULL,NULL,0);
INSERT INTO "trials" VALUES(50,3,11,'tbb8Kw4-4i-fX94m','pair',1,'','check/0','[]',NULL,'instructed','right',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(51,3,12,'uSzpcVrfLS7rrRur','pair',1,'pair -1 0','trip/0','["trip/0/0.0", "trip/0/-1.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(52,3,13,'xqv6PCy6fp9jLFex','adjustment',1,'adjustment home 0','home/0','["home/0/2.0", "home/0/1.0", "home/0/0.0", "home/0/-1.0"]',2,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(53,3,14,'utBxLTO8Evor5szR','adjustment',1,'adjustment work 0','work/0','["work/0/-1.0", "work/0/0.0", "work/0/1.0", "work/0/2.0"]',0,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(54,3,15,'jf9h9aUd-7JuOEJI','single',1,'single 1','home/0','["home/0/1.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(55,3,16,'W6wnLvxi01UtyqNp','single',1,'single -1','work/0','["work/0/-1.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(56,3,17,'0HQiz8WUOBPnBf6I','adaptive',1,'adaptive work 0','work/0','["work/0/-1.0", "work/0/0.0", "work/0/1.0", "work/0/2.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(57,3,18,'ld9WvnUj13TG9nMu','adaptive',1,'adaptive home 0','home/0','["home/0/-1.0", "home/0/0.0", "home/0/1.0", "home/0/2.0"]',NULL,'','',NULL,NULL,NULL,0);
INSERT INTO "trials" VALUES(58,4,0,'jeR8OrWmbU6-HqIn','pair',0,'pair -1 0','try/0','["try/0/0.0", "try/0/-1.0"]',NULL,'','',NULL,1790001609.5,1790001609.5,1);
INSERT INTO "trials" VALUES(59,4,1,'MX9gfIRUKmVPCGBt','adjustment',0,'adjustment try 0','try/0','["try/0/2.0", "try/0/1.0", "try/0/0.0", "try/0/-1.0"]',0,'','',NULL,1790001653.0,1790001653.0,1);
INSERT INTO "trials" VALUES(60,4,2,'6Z9PNhmG-mWGTK_t','single',0,'single 2','try/0','["try/0/2.0"]',NULL,'','',NULL,1790001696.5,1790001696.5,1);
INSERT INTO "trials" VALUES(61,4,3,'S4M0Af4sM2nrfET-','adaptive',0,'adaptive try 0','try/0','["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]',2,'','',NULL,1790001740.0,1790001740.0,1);
INSERT INTO "trials" VALUES(62,4,4,'b6xB4XEPTVkXWqZb','pair',1,'pair -1 0','trip/0','["trip/0/-1.0", "trip/0/0.0"]',NULL,'','',NULL,1790001783.5,1790001783.5,1);
INSERT INTO "trials" VALUES(63,4,5,'JtSv0UYraTxNF6iB','pair',1,'pair -1 2','work/0','["work/0/2.0", "work/0/-1.0"]',NULL,'','',NULL,1790001827.0,1790001827.0,1);
INSERT INTO "trials" VALUES(64,4,6,'RPFL0ZHHgb9P0Vv4','pair',1,'pair 1 2','work/0','["work/0/1.0", "work/0/2.0"]',NULL,'','',NULL,1790001870.5,1790001870.5,1);
INSERT INTO "trials" VALUES(65,4,7,'4g2b8AZFmR_9fPvm','pair',1,'pair 0 1','trip/0','["trip/0/1.0", "trip/0/0.0"]',NULL,'','',NULL,1790001914.0,1790001914.0,1);
INSERT INTO "trials" VALUES(66,4,8,'vJw178P7mhej15Sz','pair',1,'pair -1 1','home/0','["home/0/-1.0", "home/0/1.0"]',NULL,'','',NULL,1790001957.5,1790001957.5,1);
INSERT INTO "trials" VALUES(67,4,9,'-L8UUvlc6ITAiXTI','pair',1,'','check/0','[]',NULL,'instructed','left',NULL,1790002001.0,1790002001.0,1);
INSERT INTO "trials" VALUES(68,4,10,'WEGatJ2wW2PE8zX_','pair',1,'pair 0 2','home/0','["home/0/2.0", "home/0/0.0"]',NULL,'','',NULL,1790002044.5,1790002044.5,1);
INSERT INTO "trials" VALUES(69,4,11,'G5k2smGpOXAuN_-e','pair',1,'pair -1 0','trip/0','["trip/0/0.0", "trip/0/-1.0"]',NULL,'repeated','',4,1790002088.0,1790002088.0,1);
INSERT INTO "trials" VALUES(70,4,12,'KpEP76143g-GmxPU','pair',1,'','trip/0','["trip/0/0.0", "trip/0/9.0"]',NULL,'gold','left',NULL,1790002131.5,1790002131.5,1);
INSERT INTO "trials" VALUES(71,4,13,'xvaizZQ_y2nNrHze','adjustment',1,'adjustment home 0','home/0','["home/0/2.0", "home/0/1.0", "home/0/0.0", "home/0/-1.0"]',1,'','',NULL,1790002175.0,1790002175.0,1);
INSERT INTO "trials" VALUES(72,4,14,'2qjg13POfK0DNenC','adjustment',1,'adjustment work 0','work/0','["work/0/-1.0", "work/0/0.0", "work/0/1.0", "work/0/2.0"]',1,'','',NULL,1790002218.5,1790002218.5,1);
INSERT INTO "trials" VALUES(73,4,15,'CYPLMmxy32qRTDOW','single',1,'single 0','trip/0','["trip/0/0.0"]',NULL,'','',NULL,1790002262.0,1790002262.0,1);
INSERT INTO "trials" VALUES(74,4,16,'h-z_gMlNqEz4C00u','single',1,'single 1','home/0','["home/0/1.0"]',NULL,'','',NULL,1790002305.5,1790002305.5,1);
INSERT INTO "trials" VALUES(75,4,17,'4PQ3GrpccQ3H7ZBx','adaptive',1,'adaptive home 0','home/0','["home/0/-1.0", "home/0/0.0", "home/0/1.0", "home/0/2.0"]',2,'','',NULL,1790002349.0,1790002349.0,1);
INSERT INTO "trials" VALUES(76,4,18,'OuKSY5PSWPPg2dup','adaptive',1,'adaptive work 0','work/0','["work/0/-1.0", "work/0/0.0", "work/0/1.0", "work/0/2.0"]',3,'','',NULL,1790002392.5,1790002392.5,1);
CREATE INDEX people_of_a_study ON people (study_id, preview);
CREATE INDEX events_of_a_person ON events (person_id);
CREATE TRIGGER events_stay BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are only added'); END;
COMMIT;
