INSERT INTO bad.t VALUES (1, 'free'); INSERT INTO bad.t VALUES (2, 'taken'); INSERT INTO bad.t VALUES (3, 'late');
