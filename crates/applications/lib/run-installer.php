<?php
// Calls the installer of a module of a web application, and writes the result to a file as one line of JSON. The output of the module
// is not changed.
//
//     php run-installer.php FILE ACTION NAME ROOT INSTALLER INIT

// An error in a module that it did not throw itself.
final class HoistObjection extends \Exception
{
}

final class HoistRunner
{
    public static $runner;
    public static $process;
    public static $arguments;
    private $answer = ['phase' => 'start', 'ended' => 'exit', 'style' => '', 'messages' => [], 'diagnostics' => [], 'error' => null];
    private $reported = false;
    private $file;

    public function __construct($file)
    {
        $this->file = fopen($file, 'a');
    }

    public function warn($severity, $text, $file = '', $line = 0)
    {
        // PHP would end here.
        if ($severity & (E_USER_ERROR | E_RECOVERABLE_ERROR)) {
            throw new \ErrorException((string)$text, 0, $severity, (string)$file, (int)$line);
        }
        // The module suppressed errors with @.
        if (error_reporting() & $severity && count($this->answer['diagnostics']) < 200) {
            $notices = E_NOTICE | E_USER_NOTICE | E_DEPRECATED | E_USER_DEPRECATED;
            $level = $severity & $notices ? 'notice' : 'warning';
            $this->answer['diagnostics'][] = ['level' => $level, 'text' => (string)$text, 'file' => (string)$file, 'line' => (int)$line];
        }
        return true;
    }

    // Runs when the script ends, whatever ended it.
    public function end()
    {
        $last = error_get_last();
        $fatal = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;
        if (!$this->reported && $last !== null && $last['type'] & $fatal) {
            $this->answer['ended'] = 'fatal';
            $this->answer['error'] = ['class' => '', 'text' => $last['message'], 'file' => $last['file'], 'line' => $last['line']];
        }
        $this->publish();
    }

    private function publish()
    {
        // Processes that the module forked report nothing.
        if (!$this->reported && getmypid() === self::$process) {
            $this->reported = true;
            $flags = JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;
            fwrite($this->file, json_encode($this->answer, $flags) . "\n");
        }
    }

    private static function described($error)
    {
        if ($error instanceof HoistObjection) {
            return ['class' => '', 'text' => $error->getMessage(), 'file' => '', 'line' => 0];
        }
        $text = $error->getMessage();
        for ($cause = $error->getPrevious(), $depth = 0; $cause !== null && $depth < 20; $cause = $cause->getPrevious(), $depth++) {
            $text .= ', because of ' . get_class($cause) . ': ' . $cause->getMessage();
        }
        return ['class' => get_class($error), 'text' => $text, 'file' => $error->getFile(), 'line' => $error->getLine()];
    }

    public function init($root)
    {
        $this->answer['phase'] = 'init';
        chdir($root);
    }

    public function failed(\Throwable $error)
    {
        $this->answer['ended'] = $error instanceof HoistObjection ? 'objection' : 'exception';
        $this->answer['error'] = self::described($error);
        if (!$error instanceof HoistObjection) {
            fwrite(STDERR, get_class($error) . ': ' . $error->getMessage() . "\n" . $error->getTraceAsString() . "\n");
        }
        $this->publish();
    }

    public function run($action, $name, $file)
    {
        try {
            $this->answer['phase'] = $action;
            $this->call($action, $name, $file);
            $this->answer['ended'] = 'returned';
            $this->publish();
        } catch (\Throwable $error) {
            $this->failed($error);
        }
    }

    private function call($action, $name, $file)
    {
        $names = ["$name\\{$name}Installer", "{$name}Installer"];
        require_once $file;
        $classes = array_filter($names, function ($class) { return class_exists($class, false); });
        $class = reset($classes);
        if ($class === false) {
            throw new HoistObjection("$file does not define the class $names[0]");
        }
        if (!method_exists($class, 'install') && !method_exists($class, 'uninstall')) {
            throw new HoistObjection("$class has neither a method install() nor uninstall()");
        }
        if (!method_exists($class, $action)) {
            $this->answer['style'] = "no $action";
            return;
        }
        $method = new \ReflectionMethod($class, $action);
        if (!$method->isPublic()) {
            throw new HoistObjection("$class::$action() is not public");
        }
        $this->answer['style'] = $method->isStatic() ? 'static' : 'instance';
        $arguments = [];
        if ($method->getNumberOfRequiredParameters() > 0) {
            $this->answer['style'] .= ', with a report';
            $arguments[] = self::report($method);
        }
        $result = $method->invokeArgs($method->isStatic() ? null : new $class(), $arguments);
        if ($result === false) {
            throw new HoistObjection("$class::$action() returned false");
        }
        if ($result instanceof \Throwable) {
            throw $result;
        }
        $report = is_object($result) && method_exists($result, 'getMessages') ? $result : ($arguments[0] ?? null);
        foreach ($report === null ? [] : $report->getMessages() as $message) {
            $this->message($message);
        }
    }

    // What a method that fills a report wants: the class beside the interface that it names.
    private static function report(\ReflectionMethod $method)
    {
        $wants = $method->getDeclaringClass()->getName() . '::' . $method->getName() . '()';
        if ($method->getNumberOfRequiredParameters() > 1) {
            throw new HoistObjection("$wants wants more than a report");
        }
        $type = $method->getParameters()[0]->getType();
        $type = $type instanceof \ReflectionNamedType && !$type->isBuiltin() ? $type->getName() : null;
        $candidates = [$type, $type === null ? null : preg_replace('/Interface$/', '', $type), 'Installer\Report\Report'];
        foreach (array_filter($candidates) as $class) {
            if (class_exists($class) && (new \ReflectionClass($class))->isInstantiable() && ($type === null || is_a($class, $type, true))) {
                return new $class();
            }
        }
        throw new HoistObjection("$wants wants a " . ($type ?? 'report') . ', and the application has no class for one');
    }

    private function message($message)
    {
        for ($depth = 0; $depth < 20 && is_object($message) && !$message instanceof \Throwable && method_exists($message, 'getMessage'); $depth++) {
            $message = $message->getMessage();
        }
        if ($message instanceof \Throwable) {
            $this->answer['messages'][] = ['kind' => 'exception'] + self::described($message);
        } elseif (is_array($message)) {
            array_walk_recursive($message, function ($part) {
                $this->message($part);
            });
        } elseif (is_scalar($message) || (is_object($message) && method_exists($message, '__toString'))) {
            $this->answer['messages'][] = ['kind' => 'text', 'text' => (string)$message];
        } elseif ($message !== null) {
            $this->answer['messages'][] = ['kind' => 'text', 'text' => json_encode($message, JSON_PARTIAL_OUTPUT_ON_ERROR)];
        }
    }
}

ini_set('display_errors', 'stderr');
error_reporting(E_ALL);
$_SERVER['PHP_SELF'] = '/index.php';
$_SERVER['REQUEST_URI'] = '/';
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['HTTP_HOST'] = 'localhost';
$_SERVER['HTTP_REFERER'] = '';
$_GET = [];
ob_start();
HoistRunner::$arguments = array_slice($_SERVER['argv'], 2);
HoistRunner::$runner = new HoistRunner($_SERVER['argv'][1]);
HoistRunner::$process = getmypid();
set_error_handler([HoistRunner::$runner, 'warn']);
register_shutdown_function([HoistRunner::$runner, 'end']);
HoistRunner::$runner->init(HoistRunner::$arguments[2]);
// Here, and not in a function: what an init file defines is global.
try {
    if (is_file(HoistRunner::$arguments[4])) {
        require_once HoistRunner::$arguments[4];
    }
} catch (\Throwable $error) {
    HoistRunner::$runner->failed($error);
    exit;
}
HoistRunner::$runner->run(HoistRunner::$arguments[0], HoistRunner::$arguments[1], HoistRunner::$arguments[3]);
