INSERT INTO bad.t VALUES (4, 'after');
