-- Ends a task as a worker of Celery's said: `value` is its result or its failure.
local _, _, id, how, details, value, worker = unpack(ARGV, 1, 16)
local t = find(id)
if not t then return { 'missing' } end
if t.state ~= 'PENDING' then return { t.state } end
withdraw(t)
if how ~= 'REVOKED' then
  t.attempt = int(t.attempt + 1)
  change(t, 'STARTED', '{"attempt":' .. t.attempt .. ',"from_epoch":0}', 'attempt', t.attempt, 'started', NOW_TEXT,
    'worker', worker, how == 'SUCCESS' and 'result' or 'error', value)
end
change(t, how, details)
return { how }
