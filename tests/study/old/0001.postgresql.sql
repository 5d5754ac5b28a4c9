CREATE FUNCTION public.events_stay() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN RAISE EXCEPTION 'events are only added'; END $$;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.answers (
    id integer NOT NULL,
    trial_id integer NOT NULL,
    key character varying(40) NOT NULL,
    choice character varying(20) NOT NULL,
    degree integer,
    option integer,
    path json NOT NULL,
    changes integer NOT NULL,
    client_ms double precision NOT NULL,
    hidden integer NOT NULL,
    hidden_ms double precision NOT NULL,
    answered_at double precision NOT NULL
);
CREATE SEQUENCE public.answers_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.answers_id_seq OWNED BY public.answers.id;
CREATE TABLE public.events (
    id integer NOT NULL,
    study_id integer NOT NULL,
    person_id integer,
    trial_id integer,
    kind character varying(20) NOT NULL,
    at double precision NOT NULL,
    detail json NOT NULL
);
CREATE SEQUENCE public.events_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.events_id_seq OWNED BY public.events.id;
CREATE TABLE public.external_ids (
    person_id integer NOT NULL,
    study_id integer NOT NULL,
    external character varying(200) NOT NULL,
    recruitment character varying(200) NOT NULL,
    session character varying(200) NOT NULL
);
CREATE TABLE public.people (
    id integer NOT NULL,
    study_id integer NOT NULL,
    code character varying(40) NOT NULL,
    key character varying(40) NOT NULL,
    preview boolean NOT NULL,
    seed character varying(40) NOT NULL,
    consent_version character varying(40) NOT NULL,
    consented_at double precision NOT NULL,
    seen_at double precision NOT NULL,
    instructed_at double precision,
    questioned_at double precision,
    finished_at double precision,
    outcome character varying(20) NOT NULL
);
CREATE SEQUENCE public.people_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.people_id_seq OWNED BY public.people.id;
CREATE TABLE public.responses (
    person_id integer NOT NULL,
    question character varying(40) NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.studies (
    id integer NOT NULL,
    name character varying(60) NOT NULL,
    digest character varying(64) NOT NULL,
    plan text NOT NULL,
    created_at double precision NOT NULL,
    paused boolean NOT NULL
);
CREATE SEQUENCE public.studies_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.studies_id_seq OWNED BY public.studies.id;
CREATE TABLE public.trials (
    id integer NOT NULL,
    person_id integer NOT NULL,
    "position" integer NOT NULL,
    token character varying(40) NOT NULL,
    kind character varying(20) NOT NULL,
    counted boolean NOT NULL,
    cell character varying(80) NOT NULL,
    content character varying(80) NOT NULL,
    options json NOT NULL,
    start integer,
    "check" character varying(20) NOT NULL,
    expected character varying(20) NOT NULL,
    repeats integer,
    shown_at double precision,
    last_shown_at double precision,
    shows integer NOT NULL
);
CREATE SEQUENCE public.trials_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trials_id_seq OWNED BY public.trials.id;
ALTER TABLE ONLY public.answers ALTER COLUMN id SET DEFAULT nextval('public.answers_id_seq'::regclass);
ALTER TABLE ONLY public.events ALTER COLUMN id SET DEFAULT nextval('public.events_id_seq'::regclass);
ALTER TABLE ONLY public.people ALTER COLUMN id SET DEFAULT nextval('public.people_id_seq'::regclass);
ALTER TABLE ONLY public.studies ALTER COLUMN id SET DEFAULT nextval('public.studies_id_seq'::regclass);
ALTER TABLE ONLY public.trials ALTER COLUMN id SET DEFAULT nextval('public.trials_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('0001');
INSERT INTO public.answers VALUES (1, 1, 'key-OnfvHJ0DLPKhVVpd', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790000087);
INSERT INTO public.answers VALUES (2, 2, 'key-ECqQSuxygyOMy4EI', 'liked', NULL, 1, '[[0.0, 2], [350.5, 1]]', 0, 9000, 0, 0, 1790000130.5);
INSERT INTO public.answers VALUES (3, 3, 'key-bb9giR4o8bFZ_sFT', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790000174);
INSERT INTO public.answers VALUES (4, 4, 'key-HFHgZ0V-ewuM2-yZ', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790000217.5);
INSERT INTO public.answers VALUES (5, 5, 'key-8E3yqnidmsfLyiev', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790000261);
INSERT INTO public.answers VALUES (6, 6, 'key-y4UFEhoKvqLsJKxA', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790000304.5);
INSERT INTO public.answers VALUES (7, 7, 'key-G3VPhxuE4sbbS_9l', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790000348);
INSERT INTO public.answers VALUES (8, 8, 'key-h-g5SGdD-mnPDikw', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790000391.5);
INSERT INTO public.answers VALUES (9, 9, 'key-5tp_DMvU490hLu0O', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790000435);
INSERT INTO public.answers VALUES (10, 10, 'key-MbafEUEYMTm3OoVn', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790000478.5);
INSERT INTO public.answers VALUES (11, 11, 'key-NBlC0S_9qORz4wSe', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790000522);
INSERT INTO public.answers VALUES (12, 12, 'key-gta2n76bVWdfnOVW', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790000565.5);
INSERT INTO public.answers VALUES (13, 13, 'key-NKJEXM8BLixaK3Ii', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790000609);
INSERT INTO public.answers VALUES (14, 14, 'key-0wWJfynTlUsGc9Mo', 'liked', NULL, 1, '[[0.0, 2], [350.5, 1]]', 0, 9000, 0, 0, 1790000652.5);
INSERT INTO public.answers VALUES (15, 15, 'key-m06wbXkHrBKsZ_to', 'liked', NULL, 1, '[[0.0, 2], [350.5, 1]]', 0, 9000, 0, 0, 1790000696);
INSERT INTO public.answers VALUES (16, 16, 'key-j-ABlYOSZ2KHXfPc', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790000739.5);
INSERT INTO public.answers VALUES (17, 17, 'key-7N8YUGlIfBCVuaVe', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790000783);
INSERT INTO public.answers VALUES (18, 18, 'key-RlunD_o2ogQVFrtf', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790000826.5);
INSERT INTO public.answers VALUES (19, 19, 'key-m3CZkw8WSUZqOEd7', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790000870);
INSERT INTO public.answers VALUES (20, 20, 'key-LZtjkyC6YpYTsCbN', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001007.75);
INSERT INTO public.answers VALUES (21, 21, 'key-1vwDjPYQzJvj4LPh', 'liked', NULL, 1, '[[0.0, 2], [350.5, 1]]', 0, 9000, 0, 0, 1790001051.25);
INSERT INTO public.answers VALUES (22, 22, 'key-tanfmn8mZU1pFYR6', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790001094.75);
INSERT INTO public.answers VALUES (23, 23, 'key-0HpqCeoQfIp9fCSH', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790001138.25);
INSERT INTO public.answers VALUES (24, 24, 'key-N_ywpQ2vNwI7_5PV', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001181.75);
INSERT INTO public.answers VALUES (25, 25, 'key-wnct2dHdtVEKIXET', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001225.25);
INSERT INTO public.answers VALUES (26, 26, 'key-2PNQksyP5IF0HG4m', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001268.75);
INSERT INTO public.answers VALUES (27, 27, 'key-Epll02Z5Z-4oPVxe', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001312.25);
INSERT INTO public.answers VALUES (28, 28, 'key-yA1W22kUYFOfbbXD', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001355.75);
INSERT INTO public.answers VALUES (29, 39, 'key-KVukCF5W5U9Ls90L', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001421);
INSERT INTO public.answers VALUES (30, 40, 'key-DrS4pAaPV2Ok4UUE', 'liked', NULL, 1, '[[0.0, 2], [350.5, 1]]', 0, 9000, 0, 0, 1790001464.5);
INSERT INTO public.answers VALUES (32, 77, 'key-63qIWfVkhvjGTw_h', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001631.25);
INSERT INTO public.answers VALUES (33, 78, 'key-8cN7s7im74W81ZDJ', 'liked', NULL, 1, '[[0.0, 2], [350.5, 1]]', 0, 9000, 0, 0, 1790001674.75);
INSERT INTO public.answers VALUES (34, 79, 'key-UZ0JGZ6PzJG-icaS', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790001718.25);
INSERT INTO public.answers VALUES (35, 80, 'key-D-H9G8i1pRXlUvKC', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790001761.75);
INSERT INTO public.answers VALUES (36, 81, 'key-ccYLuXd5G5Yv7vOc', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001805.25);
INSERT INTO public.answers VALUES (37, 82, 'key-OKkJsVW1QKpPhNUi', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001848.75);
INSERT INTO public.answers VALUES (38, 83, 'key-01sJWEcmcCLnVMOY', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001892.25);
INSERT INTO public.answers VALUES (39, 84, 'key-8MaWedFZcqaZeIkU', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001935.75);
INSERT INTO public.answers VALUES (40, 85, 'key-Wn-PjDXnQng5pVE2', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790001979.25);
INSERT INTO public.answers VALUES (41, 86, 'key-UUihJl7iplMmnYTN', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790002022.75);
INSERT INTO public.answers VALUES (42, 87, 'key-VN7gb0_T1fJPGs9W', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790002066.25);
INSERT INTO public.answers VALUES (43, 88, 'key-PSdB2mJF3fN6byLC', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790002109.75);
INSERT INTO public.answers VALUES (44, 89, 'key-37xi-UTZuaZTDxZy', 'left', -2, NULL, '[]', 0, 9000, 0, 0, 1790002153.25);
INSERT INTO public.answers VALUES (45, 90, 'key-iNgiUYKJ46O9PEgm', 'liked', NULL, 1, '[[0.0, 2], [350.5, 1]]', 0, 9000, 0, 0, 1790002196.75);
INSERT INTO public.answers VALUES (46, 91, 'key-CnMxhhAhZCKXFzfM', 'liked', NULL, 1, '[[0.0, 2], [350.5, 1]]', 0, 9000, 0, 0, 1790002240.25);
INSERT INTO public.answers VALUES (47, 92, 'key-zQwj-Sw4zxywCq_e', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790002283.75);
INSERT INTO public.answers VALUES (48, 93, 'key-sxlrb1Sc9CIMfXEq', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790002327.25);
INSERT INTO public.answers VALUES (49, 94, 'key-cKtOM26xARQq3xwe', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790002370.75);
INSERT INTO public.answers VALUES (50, 95, 'key-JE9mB9czcf2Euo_-', 'right', NULL, NULL, '[]', 0, 9000, 0, 0, 1790002414.25);
INSERT INTO public.events VALUES (1, 1, NULL, NULL, 'declined', 1790000014.5, '{}');
INSERT INTO public.events VALUES (2, 1, 1, NULL, 'consented', 1790000036.25, '{"version": "7"}');
INSERT INTO public.events VALUES (3, 1, 1, NULL, 'instructed', 1790000058, '{}');
INSERT INTO public.events VALUES (4, 1, 1, 1, 'shown', 1790000079.75, '{"times": 1}');
INSERT INTO public.events VALUES (5, 1, 1, 1, 'answered', 1790000101.5, '{}');
INSERT INTO public.events VALUES (6, 1, 1, 2, 'shown', 1790000123.25, '{"times": 1}');
INSERT INTO public.events VALUES (7, 1, 1, 2, 'answered', 1790000145, '{}');
INSERT INTO public.events VALUES (8, 1, 1, 3, 'shown', 1790000166.75, '{"times": 1}');
INSERT INTO public.events VALUES (9, 1, 1, 3, 'answered', 1790000188.5, '{}');
INSERT INTO public.events VALUES (10, 1, 1, 4, 'shown', 1790000210.25, '{"times": 1}');
INSERT INTO public.events VALUES (11, 1, 1, 4, 'answered', 1790000232, '{}');
INSERT INTO public.events VALUES (12, 1, 1, 5, 'shown', 1790000253.75, '{"times": 1}');
INSERT INTO public.events VALUES (13, 1, 1, 5, 'answered', 1790000275.5, '{}');
INSERT INTO public.events VALUES (14, 1, 1, 6, 'shown', 1790000297.25, '{"times": 1}');
INSERT INTO public.events VALUES (15, 1, 1, 6, 'answered', 1790000319, '{}');
INSERT INTO public.events VALUES (16, 1, 1, 7, 'shown', 1790000340.75, '{"times": 1}');
INSERT INTO public.events VALUES (17, 1, 1, 7, 'answered', 1790000362.5, '{}');
INSERT INTO public.events VALUES (18, 1, 1, 8, 'shown', 1790000384.25, '{"times": 1}');
INSERT INTO public.events VALUES (19, 1, 1, 8, 'answered', 1790000406, '{}');
INSERT INTO public.events VALUES (20, 1, 1, 9, 'shown', 1790000427.75, '{"times": 1}');
INSERT INTO public.events VALUES (21, 1, 1, 9, 'answered', 1790000449.5, '{}');
INSERT INTO public.events VALUES (22, 1, 1, 10, 'shown', 1790000471.25, '{"times": 1}');
INSERT INTO public.events VALUES (23, 1, 1, 10, 'answered', 1790000493, '{}');
INSERT INTO public.events VALUES (24, 1, 1, 11, 'shown', 1790000514.75, '{"times": 1}');
INSERT INTO public.events VALUES (25, 1, 1, 11, 'answered', 1790000536.5, '{}');
INSERT INTO public.events VALUES (26, 1, 1, 12, 'shown', 1790000558.25, '{"times": 1}');
INSERT INTO public.events VALUES (27, 1, 1, 12, 'answered', 1790000580, '{}');
INSERT INTO public.events VALUES (28, 1, 1, 13, 'shown', 1790000601.75, '{"times": 1}');
INSERT INTO public.events VALUES (29, 1, 1, 13, 'answered', 1790000623.5, '{}');
INSERT INTO public.events VALUES (30, 1, 1, 14, 'shown', 1790000645.25, '{"times": 1}');
INSERT INTO public.events VALUES (31, 1, 1, 14, 'answered', 1790000667, '{}');
INSERT INTO public.events VALUES (32, 1, 1, 15, 'shown', 1790000688.75, '{"times": 1}');
INSERT INTO public.events VALUES (33, 1, 1, 15, 'answered', 1790000710.5, '{}');
INSERT INTO public.events VALUES (34, 1, 1, 16, 'shown', 1790000732.25, '{"times": 1}');
INSERT INTO public.events VALUES (35, 1, 1, 16, 'answered', 1790000754, '{}');
INSERT INTO public.events VALUES (36, 1, 1, 17, 'shown', 1790000775.75, '{"times": 1}');
INSERT INTO public.events VALUES (37, 1, 1, 17, 'answered', 1790000797.5, '{}');
INSERT INTO public.events VALUES (38, 1, 1, 18, 'shown', 1790000819.25, '{"times": 1}');
INSERT INTO public.events VALUES (39, 1, 1, 18, 'answered', 1790000841, '{}');
INSERT INTO public.events VALUES (40, 1, 1, 19, 'shown', 1790000862.75, '{"times": 1}');
INSERT INTO public.events VALUES (41, 1, 1, 19, 'answered', 1790000884.5, '{}');
INSERT INTO public.events VALUES (42, 1, 1, NULL, 'responded', 1790000913.5, '{}');
INSERT INTO public.events VALUES (43, 1, 1, NULL, 'finished', 1790000935.25, '{"outcome": "completed"}');
INSERT INTO public.events VALUES (44, 1, 2, NULL, 'consented', 1790000957, '{"version": "7"}');
INSERT INTO public.events VALUES (45, 1, 2, NULL, 'instructed', 1790000978.75, '{}');
INSERT INTO public.events VALUES (46, 1, 2, 20, 'shown', 1790001000.5, '{"times": 1}');
INSERT INTO public.events VALUES (47, 1, 2, 20, 'answered', 1790001022.25, '{}');
INSERT INTO public.events VALUES (48, 1, 2, 21, 'shown', 1790001044, '{"times": 1}');
INSERT INTO public.events VALUES (49, 1, 2, 21, 'answered', 1790001065.75, '{}');
INSERT INTO public.events VALUES (50, 1, 2, 22, 'shown', 1790001087.5, '{"times": 1}');
INSERT INTO public.events VALUES (51, 1, 2, 22, 'answered', 1790001109.25, '{}');
INSERT INTO public.events VALUES (52, 1, 2, 23, 'shown', 1790001131, '{"times": 1}');
INSERT INTO public.events VALUES (53, 1, 2, 23, 'answered', 1790001152.75, '{}');
INSERT INTO public.events VALUES (54, 1, 2, 24, 'shown', 1790001174.5, '{"times": 1}');
INSERT INTO public.events VALUES (55, 1, 2, 24, 'answered', 1790001196.25, '{}');
INSERT INTO public.events VALUES (56, 1, 2, 25, 'shown', 1790001218, '{"times": 1}');
INSERT INTO public.events VALUES (57, 1, 2, 25, 'answered', 1790001239.75, '{}');
INSERT INTO public.events VALUES (58, 1, 2, 26, 'shown', 1790001261.5, '{"times": 1}');
INSERT INTO public.events VALUES (59, 1, 2, 26, 'answered', 1790001283.25, '{}');
INSERT INTO public.events VALUES (60, 1, 2, 27, 'shown', 1790001305, '{"times": 1}');
INSERT INTO public.events VALUES (61, 1, 2, 27, 'answered', 1790001326.75, '{}');
INSERT INTO public.events VALUES (62, 1, 2, 28, 'shown', 1790001348.5, '{"times": 1}');
INSERT INTO public.events VALUES (63, 1, 2, 28, 'answered', 1790001370.25, '{}');
INSERT INTO public.events VALUES (64, 1, 3, NULL, 'consented', 1790001392, '{"version": "7"}');
INSERT INTO public.events VALUES (65, 1, 3, 39, 'shown', 1790001413.75, '{"times": 1}');
INSERT INTO public.events VALUES (66, 1, 3, 39, 'answered', 1790001435.5, '{}');
INSERT INTO public.events VALUES (67, 1, 3, 40, 'shown', 1790001457.25, '{"times": 1}');
INSERT INTO public.events VALUES (68, 1, 3, 40, 'answered', 1790001479, '{}');
INSERT INTO public.events VALUES (72, 1, NULL, NULL, 'withdrawn', 1790001551.5, '{}');
INSERT INTO public.events VALUES (73, 1, 2, NULL, 'refused', 1790001558.75, '{"reason": "stale"}');
INSERT INTO public.events VALUES (74, 1, 5, NULL, 'consented', 1790001580.5, '{"version": "7"}');
INSERT INTO public.events VALUES (75, 1, 5, NULL, 'instructed', 1790001602.25, '{}');
INSERT INTO public.events VALUES (76, 1, 5, 77, 'shown', 1790001624, '{"times": 1}');
INSERT INTO public.events VALUES (77, 1, 5, 77, 'answered', 1790001645.75, '{}');
INSERT INTO public.events VALUES (78, 1, 5, 78, 'shown', 1790001667.5, '{"times": 1}');
INSERT INTO public.events VALUES (79, 1, 5, 78, 'answered', 1790001689.25, '{}');
INSERT INTO public.events VALUES (80, 1, 5, 79, 'shown', 1790001711, '{"times": 1}');
INSERT INTO public.events VALUES (81, 1, 5, 79, 'answered', 1790001732.75, '{}');
INSERT INTO public.events VALUES (82, 1, 5, 80, 'shown', 1790001754.5, '{"times": 1}');
INSERT INTO public.events VALUES (83, 1, 5, 80, 'answered', 1790001776.25, '{}');
INSERT INTO public.events VALUES (84, 1, 5, 81, 'shown', 1790001798, '{"times": 1}');
INSERT INTO public.events VALUES (85, 1, 5, 81, 'answered', 1790001819.75, '{}');
INSERT INTO public.events VALUES (86, 1, 5, 82, 'shown', 1790001841.5, '{"times": 1}');
INSERT INTO public.events VALUES (87, 1, 5, 82, 'answered', 1790001863.25, '{}');
INSERT INTO public.events VALUES (88, 1, 5, 83, 'shown', 1790001885, '{"times": 1}');
INSERT INTO public.events VALUES (89, 1, 5, 83, 'answered', 1790001906.75, '{}');
INSERT INTO public.events VALUES (90, 1, 5, 84, 'shown', 1790001928.5, '{"times": 1}');
INSERT INTO public.events VALUES (91, 1, 5, 84, 'answered', 1790001950.25, '{}');
INSERT INTO public.events VALUES (92, 1, 5, 85, 'shown', 1790001972, '{"times": 1}');
INSERT INTO public.events VALUES (93, 1, 5, 85, 'answered', 1790001993.75, '{}');
INSERT INTO public.events VALUES (94, 1, 5, 86, 'shown', 1790002015.5, '{"times": 1}');
INSERT INTO public.events VALUES (95, 1, 5, 86, 'answered', 1790002037.25, '{}');
INSERT INTO public.events VALUES (96, 1, 5, 87, 'shown', 1790002059, '{"times": 1}');
INSERT INTO public.events VALUES (97, 1, 5, 87, 'answered', 1790002080.75, '{}');
INSERT INTO public.events VALUES (98, 1, 5, 88, 'shown', 1790002102.5, '{"times": 1}');
INSERT INTO public.events VALUES (99, 1, 5, 88, 'answered', 1790002124.25, '{}');
INSERT INTO public.events VALUES (100, 1, 5, 89, 'shown', 1790002146, '{"times": 1}');
INSERT INTO public.events VALUES (101, 1, 5, 89, 'answered', 1790002167.75, '{}');
INSERT INTO public.events VALUES (102, 1, 5, 90, 'shown', 1790002189.5, '{"times": 1}');
INSERT INTO public.events VALUES (103, 1, 5, 90, 'answered', 1790002211.25, '{}');
INSERT INTO public.events VALUES (104, 1, 5, 91, 'shown', 1790002233, '{"times": 1}');
INSERT INTO public.events VALUES (105, 1, 5, 91, 'answered', 1790002254.75, '{}');
INSERT INTO public.events VALUES (106, 1, 5, 92, 'shown', 1790002276.5, '{"times": 1}');
INSERT INTO public.events VALUES (107, 1, 5, 92, 'answered', 1790002298.25, '{}');
INSERT INTO public.events VALUES (108, 1, 5, 93, 'shown', 1790002320, '{"times": 1}');
INSERT INTO public.events VALUES (109, 1, 5, 93, 'answered', 1790002341.75, '{}');
INSERT INTO public.events VALUES (110, 1, 5, 94, 'shown', 1790002363.5, '{"times": 1}');
INSERT INTO public.events VALUES (111, 1, 5, 94, 'answered', 1790002385.25, '{}');
INSERT INTO public.events VALUES (112, 1, 5, 95, 'shown', 1790002407, '{"times": 1}');
INSERT INTO public.events VALUES (113, 1, 5, 95, 'answered', 1790002428.75, '{}');
INSERT INTO public.events VALUES (114, 1, NULL, NULL, 'paused', 1790002443.25, '{}');
INSERT INTO public.events VALUES (115, 1, NULL, NULL, 'resumed', 1790002450.5, '{}');
INSERT INTO public.external_ids VALUES (1, 1, 'pid-done', 'recruitment', 'session-1');
INSERT INTO public.external_ids VALUES (2, 1, 'pid-half', 'recruitment', 'session-2');
INSERT INTO public.people VALUES (2, 1, 'lQXpeWiSGDxqr_l1LTqhWQ', 'form-0002', false, '3-1-95b47dff', '7', 1790000942.5, 1790001363, 1790000964.25, NULL, NULL, '');
INSERT INTO public.people VALUES (3, 1, 'F751y_v7GnV4RLqr_Vr6dg', 'form-0003', true, '3-2-93b9b1d7', '7', 1790001377.5, 1790001471.75, NULL, NULL, NULL, '');
INSERT INTO public.people VALUES (1, 1, 'yAdN54jJ-xxrXfbnlZEb9A', 'form-0001', false, '3-0-1efb5dfa', '7', 1790000021.75, 1790000928, 1790000043.5, 1790000899, 1790000920.75, 'completed');
INSERT INTO public.people VALUES (5, 1, 'p8WJi1JmNVs5dlme3UCudw', 'form-0005', false, '3-3-79e7fb20', '7', 1790001566, 1790002421.5, 1790001587.75, NULL, NULL, '');
INSERT INTO public.responses VALUES (1, 'age', '41.5');
INSERT INTO public.responses VALUES (1, 'mood', '4');
INSERT INTO public.responses VALUES (1, 'remarks', 'fine, "thanks" ☃');
INSERT INTO public.studies VALUES (1, 'made', 'd7b201e901c6ee570d4d0b8224f961da78d2a3bde5809da24329feef6fe7dff5', '{"format":1,"name":"made","title":"A made study","seed":3,"phases":["consent","instructions","practice","trials","questions","thanks"],"consent":{"version":"7","text":"We store your answers."},"instructions":"Read **both** replies.","thanks":"Thank you. Your answers are saved.","contact":"ask@example.org","axis":"extraversion","method":"alpha","strengths":[-1.0,0.0,1.0,2.0],"system":"","seeds":[0],"max_new_tokens":80,"sampling":{"temperature":0.0,"top_k":0,"top_p":1.0,"repetition_penalty":1.0},"prompts":[{"id":"try","text":"Is this practice?","topic":"","practice":true},{"id":"work","text":"Describe your work.","topic":"work","practice":false},{"id":"home","text":"Describe your home.","topic":"home","practice":false},{"id":"trip","text":"Describe a trip.","topic":"home","practice":false}],"practice":1,"tasks":[{"kind":"pair","trials":6,"question":"","degree":true},{"kind":"adjustment","trials":2,"question":"","degree":true},{"kind":"single","trials":2,"question":"","degree":true},{"kind":"adaptive","trials":2,"question":"","degree":true}],"checks":{"instructed":1,"gold":1,"fluent":0.0,"broken":9.0,"repeated":1,"seconds_per_word":0.08,"fail_after":0},"questions":[{"id":"age","text":"How old are you?","kind":"number","options":[],"steps":7,"required":false},{"id":"mood","text":"How are you?","kind":"scale","options":["badly","well"],"steps":7,"required":true},{"id":"remarks","text":"Anything else?","kind":"text","options":[],"steps":7,"required":false}]}', 1790000007.25, false);
INSERT INTO public.trials VALUES (1, 1, 0, 'OnfvHJ0DLPKhVVpd', 'pair', false, 'pair -1 1', 'try/0', '["try/0/1.0", "try/0/-1.0"]', NULL, '', '', NULL, 1790000065.25, 1790000065.25, 1);
INSERT INTO public.trials VALUES (2, 1, 1, 'ECqQSuxygyOMy4EI', 'adjustment', false, 'adjustment try 0', 'try/0', '["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]', 0, '', '', NULL, 1790000108.75, 1790000108.75, 1);
INSERT INTO public.trials VALUES (3, 1, 2, 'bb9giR4o8bFZ_sFT', 'single', false, 'single 0', 'try/0', '["try/0/0.0"]', NULL, '', '', NULL, 1790000152.25, 1790000152.25, 1);
INSERT INTO public.trials VALUES (4, 1, 3, 'HFHgZ0V-ewuM2-yZ', 'adaptive', false, 'adaptive try 0', 'try/0', '["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]', 2, '', '', NULL, 1790000195.75, 1790000195.75, 1);
INSERT INTO public.trials VALUES (5, 1, 4, '8E3yqnidmsfLyiev', 'pair', true, 'pair 0 2', 'work/0', '["work/0/2.0", "work/0/0.0"]', NULL, '', '', NULL, 1790000239.25, 1790000239.25, 1);
INSERT INTO public.trials VALUES (6, 1, 5, 'y4UFEhoKvqLsJKxA', 'pair', true, 'pair -1 2', 'trip/0', '["trip/0/2.0", "trip/0/-1.0"]', NULL, '', '', NULL, 1790000282.75, 1790000282.75, 1);
INSERT INTO public.trials VALUES (7, 1, 6, 'G3VPhxuE4sbbS_9l', 'pair', true, 'pair 1 2', 'work/0', '["work/0/1.0", "work/0/2.0"]', NULL, '', '', NULL, 1790000326.25, 1790000326.25, 1);
INSERT INTO public.trials VALUES (8, 1, 7, 'h-g5SGdD-mnPDikw', 'pair', true, 'pair 0 1', 'trip/0', '["trip/0/1.0", "trip/0/0.0"]', NULL, '', '', NULL, 1790000369.75, 1790000369.75, 1);
INSERT INTO public.trials VALUES (9, 1, 8, '5tp_DMvU490hLu0O', 'pair', true, 'pair -1 1', 'home/0', '["home/0/-1.0", "home/0/1.0"]', NULL, '', '', NULL, 1790000413.25, 1790000413.25, 1);
INSERT INTO public.trials VALUES (10, 1, 9, 'MbafEUEYMTm3OoVn', 'pair', true, '', 'check/0', '[]', NULL, 'instructed', 'left', NULL, 1790000456.75, 1790000456.75, 1);
INSERT INTO public.trials VALUES (11, 1, 10, 'NBlC0S_9qORz4wSe', 'pair', true, 'pair -1 2', 'trip/0', '["trip/0/-1.0", "trip/0/2.0"]', NULL, 'repeated', '', 5, 1790000500.25, 1790000500.25, 1);
INSERT INTO public.trials VALUES (12, 1, 11, 'gta2n76bVWdfnOVW', 'pair', true, 'pair -1 0', 'home/0', '["home/0/-1.0", "home/0/0.0"]', NULL, '', '', NULL, 1790000543.75, 1790000543.75, 1);
INSERT INTO public.trials VALUES (13, 1, 12, 'NKJEXM8BLixaK3Ii', 'pair', true, '', 'home/0', '["home/0/0.0", "home/0/9.0"]', NULL, 'gold', 'left', NULL, 1790000587.25, 1790000587.25, 1);
INSERT INTO public.trials VALUES (14, 1, 13, '0wWJfynTlUsGc9Mo', 'adjustment', true, 'adjustment trip 0', 'trip/0', '["trip/0/-1.0", "trip/0/0.0", "trip/0/1.0", "trip/0/2.0"]', 3, '', '', NULL, 1790000630.75, 1790000630.75, 1);
INSERT INTO public.trials VALUES (15, 1, 14, 'm06wbXkHrBKsZ_to', 'adjustment', true, 'adjustment work 0', 'work/0', '["work/0/2.0", "work/0/1.0", "work/0/0.0", "work/0/-1.0"]', 3, '', '', NULL, 1790000674.25, 1790000674.25, 1);
INSERT INTO public.trials VALUES (16, 1, 15, 'j-ABlYOSZ2KHXfPc', 'single', true, 'single 2', 'trip/0', '["trip/0/2.0"]', NULL, '', '', NULL, 1790000717.75, 1790000717.75, 1);
INSERT INTO public.trials VALUES (17, 1, 16, '7N8YUGlIfBCVuaVe', 'single', true, 'single -1', 'home/0', '["home/0/-1.0"]', NULL, '', '', NULL, 1790000761.25, 1790000761.25, 1);
INSERT INTO public.trials VALUES (18, 1, 17, 'RlunD_o2ogQVFrtf', 'adaptive', true, 'adaptive work 0', 'work/0', '["work/0/-1.0", "work/0/0.0", "work/0/1.0", "work/0/2.0"]', 2, '', '', NULL, 1790000804.75, 1790000804.75, 1);
INSERT INTO public.trials VALUES (19, 1, 18, 'm3CZkw8WSUZqOEd7', 'adaptive', true, 'adaptive trip 0', 'trip/0', '["trip/0/-1.0", "trip/0/0.0", "trip/0/1.0", "trip/0/2.0"]', 3, '', '', NULL, 1790000848.25, 1790000848.25, 1);
INSERT INTO public.trials VALUES (29, 2, 9, '4L6jGvOQTeyKZdAg', 'pair', true, '', 'check/0', '[]', NULL, 'instructed', 'left', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (30, 2, 10, 'OpAlf1KlJn3m5dk7', 'pair', true, 'pair -1 1', 'work/0', '["work/0/1.0", "work/0/-1.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (31, 2, 11, '7NWmtPe_JX7p8eZ4', 'pair', true, 'pair 1 2', 'home/0', '["home/0/1.0", "home/0/2.0"]', NULL, 'repeated', '', 5, NULL, NULL, 0);
INSERT INTO public.trials VALUES (32, 2, 12, 'gAhXhGOM1Ll4d1UR', 'pair', true, 'pair -1 0', 'trip/0', '["trip/0/-1.0", "trip/0/0.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (33, 2, 13, 'BJR4GaEM3Oiby_n9', 'adjustment', true, 'adjustment trip 0', 'trip/0', '["trip/0/-1.0", "trip/0/0.0", "trip/0/1.0", "trip/0/2.0"]', 3, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (34, 2, 14, '0RtUT-axNlaYa5lG', 'adjustment', true, 'adjustment home 0', 'home/0', '["home/0/2.0", "home/0/1.0", "home/0/0.0", "home/0/-1.0"]', 2, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (35, 2, 15, 'liV-wc4721BFqbkI', 'single', true, 'single 0', 'work/0', '["work/0/0.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (36, 2, 16, 'V-trRvpl7b3aediS', 'single', true, 'single 1', 'trip/0', '["trip/0/1.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (37, 2, 17, '4vY5ZvC8ed6Hth3A', 'adaptive', true, 'adaptive home 0', 'home/0', '["home/0/-1.0", "home/0/0.0", "home/0/1.0", "home/0/2.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (38, 2, 18, 'BvYN6Uc6pJidQSE-', 'adaptive', true, 'adaptive home 0', 'home/0', '["home/0/-1.0", "home/0/0.0", "home/0/1.0", "home/0/2.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (20, 2, 0, 'LZtjkyC6YpYTsCbN', 'pair', false, 'pair 0 2', 'try/0', '["try/0/0.0", "try/0/2.0"]', NULL, '', '', NULL, 1790000986, 1790000986, 1);
INSERT INTO public.trials VALUES (21, 2, 1, '1vwDjPYQzJvj4LPh', 'adjustment', false, 'adjustment try 0', 'try/0', '["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]', 1, '', '', NULL, 1790001029.5, 1790001029.5, 1);
INSERT INTO public.trials VALUES (22, 2, 2, 'tanfmn8mZU1pFYR6', 'single', false, 'single 1', 'try/0', '["try/0/1.0"]', NULL, '', '', NULL, 1790001073, 1790001073, 1);
INSERT INTO public.trials VALUES (23, 2, 3, '0HpqCeoQfIp9fCSH', 'adaptive', false, 'adaptive try 0', 'try/0', '["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]', 2, '', '', NULL, 1790001116.5, 1790001116.5, 1);
INSERT INTO public.trials VALUES (24, 2, 4, 'N_ywpQ2vNwI7_5PV', 'pair', true, 'pair 0 2', 'trip/0', '["trip/0/0.0", "trip/0/2.0"]', NULL, '', '', NULL, 1790001160, 1790001160, 1);
INSERT INTO public.trials VALUES (25, 2, 5, 'wnct2dHdtVEKIXET', 'pair', true, 'pair 1 2', 'home/0', '["home/0/2.0", "home/0/1.0"]', NULL, '', '', NULL, 1790001203.5, 1790001203.5, 1);
INSERT INTO public.trials VALUES (26, 2, 6, '2PNQksyP5IF0HG4m', 'pair', true, '', 'work/0', '["work/0/0.0", "work/0/9.0"]', NULL, 'gold', 'left', NULL, 1790001247, 1790001247, 1);
INSERT INTO public.trials VALUES (27, 2, 7, 'Epll02Z5Z-4oPVxe', 'pair', true, 'pair 0 1', 'home/0', '["home/0/1.0", "home/0/0.0"]', NULL, '', '', NULL, 1790001290.5, 1790001290.5, 1);
INSERT INTO public.trials VALUES (28, 2, 8, 'yA1W22kUYFOfbbXD', 'pair', true, 'pair -1 2', 'work/0', '["work/0/-1.0", "work/0/2.0"]', NULL, '', '', NULL, 1790001334, 1790001334, 1);
INSERT INTO public.trials VALUES (41, 3, 2, 'YnoYxEyxA8oskN3Q', 'single', false, 'single 2', 'try/0', '["try/0/2.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (42, 3, 3, 'CpPtdfNzriT6U5Xd', 'adaptive', false, 'adaptive try 0', 'try/0', '["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (43, 3, 4, 'yjaq0xcUgj7P-BQA', 'pair', true, 'pair -1 0', 'work/0', '["work/0/0.0", "work/0/-1.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (44, 3, 5, '6ve0Yhh1eFv5w2bl', 'pair', true, '', 'check/0', '[]', NULL, 'instructed', 'right', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (45, 3, 6, 'UH9K3o1ZcP228USG', 'pair', true, 'pair 0 1', 'trip/0', '["trip/0/0.0", "trip/0/1.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (46, 3, 7, 'KNUX8kslRi3fyAH-', 'pair', true, 'pair 0 2', 'home/0', '["home/0/2.0", "home/0/0.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (39, 3, 0, 'KVukCF5W5U9Ls90L', 'pair', false, 'pair 0 2', 'try/0', '["try/0/2.0", "try/0/0.0"]', NULL, '', '', NULL, 1790001399.25, 1790001399.25, 1);
INSERT INTO public.trials VALUES (40, 3, 1, 'DrS4pAaPV2Ok4UUE', 'adjustment', false, 'adjustment try 0', 'try/0', '["try/0/2.0", "try/0/1.0", "try/0/0.0", "try/0/-1.0"]', 2, '', '', NULL, 1790001442.75, 1790001442.75, 1);
INSERT INTO public.trials VALUES (47, 3, 8, 'OPNfkO495KPGSKBX', 'pair', true, 'pair -1 2', 'home/0', '["home/0/-1.0", "home/0/2.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (48, 3, 9, 'N_j8kK49r1BLwuy6', 'pair', true, '', 'trip/0', '["trip/0/0.0", "trip/0/9.0"]', NULL, 'gold', 'left', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (49, 3, 10, 'm60Rvj34wA1umtCI', 'pair', true, 'pair -1 0', 'work/0', '["work/0/-1.0", "work/0/0.0"]', NULL, 'repeated', '', 4, NULL, NULL, 0);
INSERT INTO public.trials VALUES (50, 3, 11, 'PrTLphOkn-3itUIP', 'pair', true, 'pair -1 1', 'work/0', '["work/0/-1.0", "work/0/1.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (51, 3, 12, 'wKW6FZ0w0iMKC7ei', 'pair', true, 'pair 1 2', 'trip/0', '["trip/0/2.0", "trip/0/1.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (52, 3, 13, 'jVOCnFFncsUvJSXh', 'adjustment', true, 'adjustment work 0', 'work/0', '["work/0/2.0", "work/0/1.0", "work/0/0.0", "work/0/-1.0"]', 2, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (53, 3, 14, 'bUMLaRDEVEIVP9ay', 'adjustment', true, 'adjustment home 0', 'home/0', '["home/0/-1.0", "home/0/0.0", "home/0/1.0", "home/0/2.0"]', 2, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (54, 3, 15, 'uuMdEL24Fch0ZU98', 'single', true, 'single 1', 'home/0', '["home/0/1.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (55, 3, 16, 's-b3OgQcNoja1z7j', 'single', true, 'single 2', 'work/0', '["work/0/2.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (56, 3, 17, '9NaknWN6kHRldrzG', 'adaptive', true, 'adaptive trip 0', 'trip/0', '["trip/0/-1.0", "trip/0/0.0", "trip/0/1.0", "trip/0/2.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (57, 3, 18, '7pue1FbREckfHB6o', 'adaptive', true, 'adaptive work 0', 'work/0', '["work/0/-1.0", "work/0/0.0", "work/0/1.0", "work/0/2.0"]', NULL, '', '', NULL, NULL, NULL, 0);
INSERT INTO public.trials VALUES (81, 5, 4, 'ccYLuXd5G5Yv7vOc', 'pair', true, 'pair 0 2', 'home/0', '["home/0/2.0", "home/0/0.0"]', NULL, '', '', NULL, 1790001783.5, 1790001783.5, 1);
INSERT INTO public.trials VALUES (77, 5, 0, '63qIWfVkhvjGTw_h', 'pair', false, 'pair 0 2', 'try/0', '["try/0/0.0", "try/0/2.0"]', NULL, '', '', NULL, 1790001609.5, 1790001609.5, 1);
INSERT INTO public.trials VALUES (78, 5, 1, '8cN7s7im74W81ZDJ', 'adjustment', false, 'adjustment try 0', 'try/0', '["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]', 2, '', '', NULL, 1790001653, 1790001653, 1);
INSERT INTO public.trials VALUES (79, 5, 2, 'UZ0JGZ6PzJG-icaS', 'single', false, 'single 0', 'try/0', '["try/0/0.0"]', NULL, '', '', NULL, 1790001696.5, 1790001696.5, 1);
INSERT INTO public.trials VALUES (80, 5, 3, 'D-H9G8i1pRXlUvKC', 'adaptive', false, 'adaptive try 0', 'try/0', '["try/0/-1.0", "try/0/0.0", "try/0/1.0", "try/0/2.0"]', 2, '', '', NULL, 1790001740, 1790001740, 1);
INSERT INTO public.trials VALUES (82, 5, 5, 'OKkJsVW1QKpPhNUi', 'pair', true, 'pair -1 1', 'trip/0', '["trip/0/-1.0", "trip/0/1.0"]', NULL, '', '', NULL, 1790001827, 1790001827, 1);
INSERT INTO public.trials VALUES (83, 5, 6, '01sJWEcmcCLnVMOY', 'pair', true, 'pair 1 2', 'trip/0', '["trip/0/2.0", "trip/0/1.0"]', NULL, '', '', NULL, 1790001870.5, 1790001870.5, 1);
INSERT INTO public.trials VALUES (84, 5, 7, '8MaWedFZcqaZeIkU', 'pair', true, 'pair -1 0', 'work/0', '["work/0/0.0", "work/0/-1.0"]', NULL, '', '', NULL, 1790001914, 1790001914, 1);
INSERT INTO public.trials VALUES (85, 5, 8, 'Wn-PjDXnQng5pVE2', 'pair', true, '', 'work/0', '["work/0/0.0", "work/0/9.0"]', NULL, 'gold', 'left', NULL, 1790001957.5, 1790001957.5, 1);
INSERT INTO public.trials VALUES (86, 5, 9, 'UUihJl7iplMmnYTN', 'pair', true, 'pair 0 2', 'home/0', '["home/0/0.0", "home/0/2.0"]', NULL, 'repeated', '', 4, 1790002001, 1790002001, 1);
INSERT INTO public.trials VALUES (87, 5, 10, 'VN7gb0_T1fJPGs9W', 'pair', true, 'pair -1 2', 'home/0', '["home/0/-1.0", "home/0/2.0"]', NULL, '', '', NULL, 1790002044.5, 1790002044.5, 1);
INSERT INTO public.trials VALUES (88, 5, 11, 'PSdB2mJF3fN6byLC', 'pair', true, 'pair 0 1', 'work/0', '["work/0/0.0", "work/0/1.0"]', NULL, '', '', NULL, 1790002088, 1790002088, 1);
INSERT INTO public.trials VALUES (89, 5, 12, '37xi-UTZuaZTDxZy', 'pair', true, '', 'check/0', '[]', NULL, 'instructed', 'left', NULL, 1790002131.5, 1790002131.5, 1);
INSERT INTO public.trials VALUES (90, 5, 13, 'iNgiUYKJ46O9PEgm', 'adjustment', true, 'adjustment work 0', 'work/0', '["work/0/2.0", "work/0/1.0", "work/0/0.0", "work/0/-1.0"]', 0, '', '', NULL, 1790002175, 1790002175, 1);
INSERT INTO public.trials VALUES (91, 5, 14, 'CnMxhhAhZCKXFzfM', 'adjustment', true, 'adjustment home 0', 'home/0', '["home/0/-1.0", "home/0/0.0", "home/0/1.0", "home/0/2.0"]', 1, '', '', NULL, 1790002218.5, 1790002218.5, 1);
INSERT INTO public.trials VALUES (92, 5, 15, 'zQwj-Sw4zxywCq_e', 'single', true, 'single 2', 'trip/0', '["trip/0/2.0"]', NULL, '', '', NULL, 1790002262, 1790002262, 1);
INSERT INTO public.trials VALUES (93, 5, 16, 'sxlrb1Sc9CIMfXEq', 'single', true, 'single -1', 'trip/0', '["trip/0/-1.0"]', NULL, '', '', NULL, 1790002305.5, 1790002305.5, 1);
INSERT INTO public.trials VALUES (94, 5, 17, 'cKtOM26xARQq3xwe', 'adaptive', true, 'adaptive work 0', 'work/0', '["work/0/-1.0", "work/0/0.0", "work/0/1.0", "work/0/2.0"]', 2, '', '', NULL, 1790002349, 1790002349, 1);
INSERT INTO public.trials VALUES (95, 5, 18, 'JE9mB9czcf2Euo_-', 'adaptive', true, 'adaptive trip 0', 'trip/0', '["trip/0/-1.0", "trip/0/0.0", "trip/0/1.0", "trip/0/2.0"]', 3, '', '', NULL, 1790002392.5, 1790002392.5, 1);
SELECT pg_catalog.setval('public.answers_id_seq', 50, true);
SELECT pg_catalog.setval('public.events_id_seq', 115, true);
SELECT pg_catalog.setval('public.people_id_seq', 5, true);
SELECT pg_catalog.setval('public.studies_id_seq', 1, true);
SELECT pg_catalog.setval('public.trials_id_seq', 95, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_trial_id_key UNIQUE (trial_id);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.external_ids
    ADD CONSTRAINT external_ids_once UNIQUE (study_id, external);
ALTER TABLE ONLY public.external_ids
    ADD CONSTRAINT external_ids_pkey PRIMARY KEY (person_id);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_code_key UNIQUE (code);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_key_key UNIQUE (key);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.responses
    ADD CONSTRAINT responses_pkey PRIMARY KEY (person_id, question);
ALTER TABLE ONLY public.studies
    ADD CONSTRAINT studies_name_key UNIQUE (name);
ALTER TABLE ONLY public.studies
    ADD CONSTRAINT studies_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT trials_once UNIQUE (person_id, "position");
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT trials_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT trials_token_key UNIQUE (token);
CREATE INDEX events_of_a_person ON public.events USING btree (person_id);
CREATE INDEX people_of_a_study ON public.people USING btree (study_id, preview);
CREATE TRIGGER events_stay BEFORE UPDATE ON public.events FOR EACH ROW EXECUTE FUNCTION public.events_stay();
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.studies(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.external_ids
    ADD CONSTRAINT external_ids_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.external_ids
    ADD CONSTRAINT external_ids_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.studies(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.studies(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.responses
    ADD CONSTRAINT responses_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT trials_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id) ON DELETE CASCADE;
