drop table quotas;
